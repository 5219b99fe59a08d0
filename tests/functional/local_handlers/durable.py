"""Durable handlers that the tests of the local AWS run in real processes."""

import time
from pathlib import Path

import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets

ONCE = StepConfig(retry_strategy=RetryPresets.none())


@durable_execution
def loop(event, context: DurableContext):
    """Step and wait in turn, `rounds` times; raise if that is below zero."""
    if event["rounds"] < 0:
        raise LookupError("nothing helps")
    done = []
    for number in range(event["rounds"]):
        done.append(context.step(lambda _, number=number: number, name=f"step-{number}"))
        context.wait(Duration.from_seconds(event["wait_s"]), name=f"wait-{number}")
    return done


@durable_execution
def launch(event, context: DurableContext):
    """Run a task; the first time, hang after ECS has answered and before anybody knows."""

    def run_task(_):
        answer = boto3.client("ecs").run_task(**event["request"])
        mark = Path(event["mark"])
        if not mark.exists():
            mark.touch()
            print("hanging")
            time.sleep(60)
        return [task["taskArn"] for task in answer["tasks"]]

    return context.step(run_task, name="run-task", config=ONCE)
