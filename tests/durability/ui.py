"""The UI of a toy checkout, started as a user does, with the requests of a browser."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

from benchmarks.ports import free_port

PATIENCE_S = 300


class Ui:
    """`python -m dagster_project ui` of a toy checkout, with the requests of a browser."""

    def __init__(self, toy, log, **environment):
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dagster_project", "ui", "--port", str(self.port)],
                cwd=toy.root, env=toy.environment(**environment), stdout=out, stderr=out,
                # As for a background command of a script.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            )  # fmt: skip
        try:
            until(lambda: self.answers() or self.process.poll() is not None)
        except AssertionError:
            self.stop()
            raise
        assert self.process.poll() is None, log.read_text()

    def answers(self):
        try:
            return self.request("GET", "/server_info")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            given = {"Host": self.host, **{k.replace("_", "-"): v for k, v in headers.items()}}
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def graphql(self, query, **headers):
        body = json.dumps({"query": query})
        status, text = self.request(
            "POST", "/graphql", body, Content_Type="application/json", **headers
        )
        return (status, json.loads(text)["data"]) if status == 200 else (status, text)

    def ask(self, query):
        status, data = self.graphql(query, Origin=f"http://{self.host}")
        assert status == 200, data
        return data

    def websocket(self, **headers):
        """Status of the handshake of a WebSocket."""
        given = {
            "Host": self.host, "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "graphql-ws", **headers,
        }  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(f"GET /graphql HTTP/1.1\r\n{lines}\r\n".encode())
            return int(connection.recv(100).split()[1])

    def launch(self, job, partition=None):
        """Launch a run as the UI does; returns its id."""
        tags = f'{{key: "dagster/partition", value: "{partition}"}}' if partition else ""
        data = self.ask(
            "mutation { launchPipelineExecution(executionParams: {selector: {"
            f'pipelineName: "{job}", repositoryName: "__repository__", '
            'repositoryLocationName: "dagster_project.definitions"}, '
            f'mode: "default", executionMetadata: {{tags: [{tags}]}}}}) '
            "{ __typename ... on LaunchRunSuccess { run { runId } } "
            "... on PythonError { message } } }"
        )["launchPipelineExecution"]
        assert data["__typename"] == "LaunchRunSuccess", data
        return data["run"]["runId"]

    def state(self, run):
        data = self.ask(f'{{ runOrError(runId: "{run}") {{ ... on Run {{ status }} }} }}')
        return data["runOrError"]["status"]

    def reaches(self, run, *states):
        until(lambda: self.state(run) in (*states, "FAILURE", "CANCELED"))
        assert self.state(run) in states, self.log.read_text()

    def terminate(self, run):
        data = self.ask(f'mutation {{ terminateRun(runId: "{run}") {{ __typename }} }}')
        assert data["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def backfill(self, assets, partitions):
        """Launch a backfill as the UI does; returns its id."""
        keys = ", ".join(f'{{path: ["{name}"]}}' for name in assets)
        data = self.ask(
            "mutation { launchPartitionBackfill(backfillParams: {"
            f"assetSelection: [{keys}], partitionNames: {json.dumps(list(partitions))}}}) "
            "{ __typename ... on LaunchBackfillSuccess { backfillId } "
            "... on PythonError { message } } }"
        )["launchPartitionBackfill"]
        assert data["__typename"] == "LaunchBackfillSuccess", data
        return data["backfillId"]

    def backfill_state(self, backfill):
        return self.ask(
            f'{{ partitionBackfillOrError(backfillId: "{backfill}") '
            "{ ... on PartitionBackfill { status } } }"
        )["partitionBackfillOrError"]["status"]

    def runs(self, **tags):
        """Id, state and tags of the runs with these tags, newest first."""
        wanted = ", ".join(
            f'{{key: "{key.replace("__", "/")}", value: "{value}"}}' for key, value in tags.items()
        )
        data = self.ask(
            f"{{ runsOrError(filter: {{tags: [{wanted}]}}) {{ ... on Runs {{ results "
            "{ runId status jobName startTime endTime tags { key value } } } } }"
        )["runsOrError"]["results"]
        return [{**run, "tags": {t["key"]: t["value"] for t in run["tags"]}} for run in data]

    def partitions(self, asset):
        """Partition keys of an asset by state, as its page shows them."""
        data = self.ask(
            f'{{ assetNodeOrError(assetKey: {{path: ["{asset}"]}}) {{ ... on AssetNode '
            "{ assetPartitionStatuses { ... on DefaultPartitionStatuses "
            "{ materializedPartitions failedPartitions unmaterializedPartitions } } } } }"
        )["assetNodeOrError"]["assetPartitionStatuses"]
        return {name.removesuffix("Partitions"): sorted(keys) for name, keys in data.items()}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def until(condition, pause_s=0.2):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(pause_s)
