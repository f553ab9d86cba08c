"""Submits a document and reads its result, with Python's standard library alone."""

import json
import sys
import uuid
from urllib.request import Request, urlopen


def parse(url, key, document):
    def call(path, body=None, headers={}):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
        # Answers of 4xx and 5xx raise HTTPError; its body is a problem with a `code`.
        with urlopen(Request(url + path, data, headers), timeout=90) as answer:
            return json.load(answer)

    # Take an id of your own: a repeat with it returns the same job.
    repeatable = {"Idempotency-Key": str(uuid.uuid4())}
    job = call("/v1/jobs", {"type": "parse", "input": document}, repeatable)
    while job["endedAt"] is None:
        job = call(f"/v1/jobs/{job['id']}?wait=60")
    if job["status"] != "completed":
        raise RuntimeError(job["error"])
    return call(f"/v1/jobs/{job['id']}/result")


if __name__ == "__main__":
    print(json.dumps(parse(*sys.argv[1:]), indent=2))
