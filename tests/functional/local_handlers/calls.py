"""Handlers that call AWS with boto3, as the product's do."""

import functools

import boto3


@functools.cache
def client(service):
    return boto3.client(service)


def run_task(event, context):
    return client("ecs").run_task(**event)["failures"]


def identity(event, context):
    return client("sts").get_caller_identity()["Arn"]
