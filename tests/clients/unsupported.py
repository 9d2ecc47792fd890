"""The cases that a store fails by itself, and why. Any other failure without the proxy fails the tests, and so does a
case that is listed here and passes: the table is what is known about the stores, not a way to silence a case."""

from __future__ import annotations

from cases import KEYS, name_of

LONG_KEY = KEYS[-1]


def because(reason: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, reason)


def each(cases: list[str], *values: str) -> list[str]:
    return [name_of(case, value) for case in cases for value in values]


PRESIGNED = ["presigned_v2", "presigned_v4"]
LISTS = ["list_one", "list_one_unencoded"]
OBJECTS = ["put_get", "copy_from", "copy_to", "delete", "delete_in_batch", "multipart", *LISTS, *PRESIGNED]

UNSUPPORTED: dict[str, dict[str, str]] = {
    "s3s": {
        **because("no absolute file name", *each(OBJECTS, "/lead")),
        **because("the name of its note beside the object gets too long", *each(OBJECTS, LONG_KEY)),
        **because("a directory has no content", *each(["put_get", "copy_from", *LISTS, *PRESIGNED], "trail/")),
        **because("lists file names in their normal form", *each(LISTS, "a//b", "dot/../x", "a/./b")),
        **because(
            "promises URL-encoded lists and does not encode",
            *each(["list_one"], "a+b", "a%2Fb", "pct%41%zz"),
            *each(["list_all", "list_pages", "list_pages_v1", "list_prefixes", "list_folders"], "encoded"),
        ),
        **because("no tags", *each(["tags"], *KEYS), "tags_with_put"),
        **because("five checksum algorithms", *each(["checksum"], "SHA512", "XXHASH64", "XXHASH3", "XXHASH128")),
        **because("no storage class in its answers", "storage_class"),
        **because("keeps `aws-chunked` as a coding of the object", "encoding_without_framing"),
        **because("no GetObjectAttributes", "attributes"),
        **because("no ranges of HEAD", "range_of_head"),
        **because("no conditional reads", "get_if_none_match", "head_if_none_match", "get_if_match", "get_if_modified"),
        **because("no ListMultipartUploads", "multipart_listed"),
        **because("lists the parts of an upload that does not exist", "missing_upload"),
        **because("no versions", "versions"),
    },
    "moto": {
        **because("drops the connection", *each([*OBJECTS, "tags"], "line\nbreak\ttab")),
        **because("does not look at the length", "put_of_unknown_length"),
        **because("does not look at the hash", "declared_hash_is_wrong"),
        **because("no conditional copies", "copy_if_match"),
    },
}
