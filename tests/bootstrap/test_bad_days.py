"""What goes wrong half-way: kills, refusals of AWS, two at once, somebody else's things."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from account import NAME, Account
from emulators import Call, Fault, Hold, until


def is_step(account: Account) -> Callable[[Call], bool]:
    """Writes of the deployment; those of the lease are not steps."""
    return lambda call: call.account == account.number and call.is_write and call.service != "logs"


@pytest.mark.parametrize("before", [False, True], ids=["after its first write", "before its second write"])
def test_killed_at_every_step_and_run_again(new_account: Callable[..., Account], before: bool) -> None:
    """Every run gets one write further than the one before it, and is killed there: with the write done and not yet
    known to be, or on the way to the next. The next run finds what it left; in the end all is as it should be."""
    account = new_account()
    kills = 0
    while kills < 120:
        writes = iter(range(1000))
        mine = is_step(account)
        hold = Hold(lambda call, w=writes, m=mine: m(call) and next(w) == int(before), before)
        account.door.holds[:] = [hold]
        process = account.start_apply()
        until(lambda h=hold, p=process: h.reached.is_set() or p.poll() is not None, "a write or the end")
        killed = hold.reached.is_set()
        process.kill()
        process.communicate()
        hold.over.set()
        account.door.holds.clear()
        if not killed:
            break
        kills += 1
    assert 25 < kills < 120
    assert account.apply().returncode == 0
    assert account.plan(code=0)["steps"] == []
    # Nothing was made twice.
    assert len(account.client("kms").list_keys()["Keys"]) == 1
    assert len(account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]) == 1


@pytest.mark.parametrize(
    ("name", "code", "message", "status"),
    [
        ("s3:PUT policy", "OperationAborted", "A conflicting conditional operation is currently in progress", 409),
        ("s3:PUT policy", "MalformedPolicy", "Invalid principal in policy", 400),
        ("kms:CreateKey", "ThrottlingException", "Rate exceeded", 400),
        ("s3:PUT encryption", "SlowDown", "Please reduce your request rate.", 503),
        ("iam:CreateRole", "ConcurrentModification", "The request was rejected", 409),
    ],
)
def test_what_passes_by_itself_is_waited_for(
    account: Account, name: str, code: str, message: str, status: int
) -> None:
    fault = Fault(lambda call: call.account == account.number and call.name == name, code, message, status, times=2)
    account.door.faults[:] = [fault]
    done = account.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert fault.times == 0


def test_denied_half_way_it_stops_says_what_and_goes_on_later(account: Account) -> None:
    denied = lambda call: call.account == account.number and call.name == "s3:PUT lifecycle"  # noqa: E731
    account.door.faults[:] = [Fault(denied, "AccessDenied", "User is not authorized", 403, times=1000)]
    done = account.apply()
    assert done.returncode == 3
    bucket = account.bucket("logs")
    assert f"s3:PutLifecycleConfiguration on {bucket}: AccessDenied" in done.stderr
    last = [event for event in account.events() if event["event"] == "done"][-1]
    assert last["result"] == "failed" and last["id"] == f"bucket {bucket}: lifecycle"
    assert last["code"] == "AccessDenied" and last["request_id"]
    account.door.faults.clear()
    assert account.apply().returncode == 0


def test_a_wrong_policy_is_not_waited_for(account: Account) -> None:
    wrong = lambda call: call.account == account.number and call.name == "s3:PUT policy"  # noqa: E731
    fault = Fault(wrong, "MalformedPolicy", "Policy has invalid resource", times=1000)
    account.door.faults[:] = [fault]
    assert account.apply().returncode == 3
    assert fault.times == 999
    account.door.faults.clear()


def test_of_two_applies_one_works_and_the_other_says_so(account: Account) -> None:
    hold = Hold(is_step(account), before=True)
    account.door.holds[:] = [hold]
    first = account.start_apply()
    assert hold.reached.wait(60)
    second = account.apply()
    assert second.returncode == 1 and "another apply" in second.stderr, second.stderr
    first.kill()
    first.communicate()
    hold.over.set()
    account.door.holds.clear()
    # Its process is gone, so its lease is nobody's.
    assert account.apply().returncode == 0


def test_whoever_lost_the_lease_stops_before_the_next_step(account: Account) -> None:
    hold = Hold(is_step(account), before=True)
    account.door.holds[:] = [hold]
    first = account.start_apply()
    assert hold.reached.wait(60)
    account.door.holds.clear()
    held = account.apply()
    generation = held.stderr.split("--break-lease ")[1].split()[0]
    second = account.apply("--break-lease", generation)
    assert second.returncode == 0, second.stderr
    writes = len(account.door.writes(account.number))
    hold.over.set()
    _, stderr = first.communicate(timeout=60)
    assert first.returncode in (1, 3), stderr
    assert account.plan(code=0)["steps"] == []
    assert len(account.door.writes(account.number)) <= writes + 1


def test_a_bucket_of_somebody_else_is_refused_before_the_first_write(
    new_account: Callable[..., Account],
) -> None:
    ours = new_account()
    ours.make_bucket("data")
    before = len(ours.door.writes(ours.number))
    plan = ours.plan(code=1)
    (refused,) = plan["refused"]
    assert refused["id"] == f"bucket {ours.bucket('data')}" and "s3-access-proxy/deployment" in refused["why"]
    assert ours.apply().returncode == 1
    assert len(ours.door.writes(ours.number)) == before


def test_a_role_of_somebody_else_is_refused(account: Account) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    account.client("iam").create_role(
        RoleName="reports-reports-reports-api", AssumeRolePolicyDocument=json.dumps(trust)
    )
    (refused,) = account.plan(code=1)["refused"]
    assert refused["id"] == "role reports-reports-reports-api"


def test_destroy_takes_what_is_ours_and_loses_nothing(account: Account) -> None:
    assert account.apply().returncode == 0
    s3 = account.client("s3")
    s3.put_object(Bucket=account.bucket("data"), Key="daily/x", Body=b"x")
    arguments = ("destroy", "-f", str(account.spec), "--journal", str(account.journal))
    shown = json.loads(account.run(*arguments, "--json").stdout)
    stays = {one["id"]: one["why"] for one in shown["stays"]}
    assert "holds objects" in stays[f"bucket {account.bucket('data')}"]
    assert "locked" in stays[f"bucket {account.bucket('archive')}"]
    assert "key alias/reports" in stays
    assert f"bucket {account.bucket('logs')}" in shown["goes"]
    # Nobody is there to ask.
    assert account.run(*arguments).returncode == 1
    done = account.run(*arguments, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    left = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert left == {account.bucket("data"), account.bucket("archive")}
    assert s3.get_object(Bucket=account.bucket("data"), Key="daily/x")["Body"].read() == b"x"
    assert account.client("kms").describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]["KeyState"] == "Enabled"
    iam = account.client("iam")
    assert not [role for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("reports-")]
    assert not [it for it in iam.list_policies(Scope="Local")["Policies"] if it["PolicyName"].startswith("reports")]
    endpoints = account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert {endpoint["State"] for endpoint in endpoints} <= {"deleted"}
    assert account.client("sns").list_topics()["Topics"] == []
    # What was account-wide before is there still.
    assert len(iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]) == 1
    again = account.run(*arguments, "--yes")
    assert again.returncode == 0 and "0 to take away" in again.stdout


def test_destroy_leaves_what_is_not_tagged(account: Account) -> None:
    account.make_bucket("logs")
    shown = json.loads(account.run("destroy", "-f", str(account.spec), "--json").stdout)
    assert shown["goes"] == []
    assert [one["id"] for one in shown["stays"] if one["id"].startswith("bucket")] == [
        f"bucket {account.bucket('logs')}"
    ]
