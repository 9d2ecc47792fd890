"""EKS Pod Identity associations, which no emulator has: kept in memory, spoken as in botocore's model of EKS."""

from __future__ import annotations

import json
import re
from typing import Any

PATH = re.compile("^/clusters/([^/?]+)/pod-identity-associations(?:/([^/?]+))?")


class PodIdentity:
    def __init__(self) -> None:
        self.associations: dict[tuple[str, str], dict[str, Any]] = {}

    def answer(self, account: str, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        cluster, identity = PATH.match(path).groups()
        mine = {key: value for key, value in self.associations.items() if key[0] == account}
        if method == "GET" and identity is None:
            return 200, json.dumps({"associations": [self.summary(value) for value in mine.values()]}).encode()
        if identity is None:
            identity = f"a-{len(self.associations):08d}"
            asked = json.loads(body)
            if any(self.place(value) == self.place(asked) for value in mine.values()):
                return 409, b'{"__type": "ResourceInUseException", "message": "associated already"}'
            self.associations[account, identity] = {"clusterName": cluster, "associationId": identity, **asked}
        elif (account, identity) not in mine:
            return 404, b'{"__type": "ResourceNotFoundException", "message": "no such association"}'
        elif method == "POST":
            self.associations[account, identity].update(json.loads(body))
        association = self.associations[account, identity]
        if method == "DELETE":
            del self.associations[account, identity]
        return 200, json.dumps({"association": association}).encode()

    @staticmethod
    def place(association: dict[str, Any]) -> tuple[str, str]:
        return association["namespace"], association["serviceAccount"]

    @staticmethod
    def summary(association: dict[str, Any]) -> dict[str, Any]:
        return {key: association[key] for key in ("clusterName", "namespace", "serviceAccount", "associationId")}
