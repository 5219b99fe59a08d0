"""The Terraform module makes what the template makes: both are read and compared."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from retry_run_task import __version__
from retry_run_task.launch.values import Category
from retry_run_task.sources import eventbridge, task_state_change
from retry_run_task.sources.cloudtrail import FILTER_NAME, FILTER_PATTERN, SCHEDULED_CALLS_PATTERN
from support.infra import LATER_PARTS, MODULE, Stack, module, template

FULL = {
    "TaskDefinitions": "nightly",
    "PassRoleArns": "arn:aws:iam::123456789012:role/batch",
    "TrailLogGroupName": "trail",
    "TrailSilentHours": "26",
    "AuditSchedule": "cron(0 22 * * ? *)",
    "NotificationEmail": "on-call@example.com",
    "TopicKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "MemberAccounts": "210987654321",
    "StopHangingTasks": "true",
    "SubnetIds": "subnet-0123456789abcdef0",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "DataKeyArn": "arn:aws:kms:ap-northeast-1:123456789012:key/2345bcde-12ab-34cd-56ef-1234567890ab",
    "ScheduleKeyArns": "arn:aws:kms:ap-northeast-1:123456789012:key/3456cdef-12ab-34cd-56ef-1234567890ab",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
}


def _blocks(kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the resources, or the data sources, by type and name."""
    return {
        (of_type, name): body
        for block in module()[kind]
        for of_type, named in block.items()
        for name, body in named.items()
    }


def _of_type(of_type: str) -> list[dict[str, Any]]:
    return [body for (kind, _), body in _blocks("resource").items() if kind == of_type]


def _locals() -> dict[str, Any]:
    return {name: value for block in module()["locals"] for name, value in block.items()}


def _variables() -> dict[str, dict[str, Any]]:
    return {name: body for block in module()["variable"] for name, body in block.items()}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _stack() -> Stack:
    return Stack(name="NAME", **FULL)


def _named(text: str) -> str:
    """Return a text of the module as it is for an installation of the name NAME."""
    return text.replace("${var.name}", "NAME")


# What kind of thing each resource is, on both sides. What one side needs and the other does not is left out, and why.
SAME = {
    "AWS::CloudWatch::Dashboard": "aws_cloudwatch_dashboard",
    "AWS::Events::Rule": "aws_cloudwatch_event_rule",
    "AWS::IAM::ManagedPolicy": "aws_iam_policy",
    "AWS::IAM::Role": "aws_iam_role",
    "AWS::Lambda::Alias": "aws_lambda_alias",
    "AWS::Lambda::EventInvokeConfig": "aws_lambda_function_event_invoke_config",
    "AWS::Lambda::Function": "aws_lambda_function",
    "AWS::Lambda::Permission": "aws_lambda_permission",
    "AWS::Logs::LogGroup": "aws_cloudwatch_log_group",
    "AWS::Logs::MetricFilter": "aws_cloudwatch_log_metric_filter",
    "AWS::Logs::SubscriptionFilter": "aws_cloudwatch_log_subscription_filter",
    "AWS::SNS::Subscription": "aws_sns_topic_subscription",
    "AWS::SNS::Topic": "aws_sns_topic",
    "AWS::SNS::TopicPolicy": "aws_sns_topic_policy",
    "AWS::SQS::Queue": "aws_sqs_queue",
    "AWS::SQS::QueuePolicy": "aws_sqs_queue_policy",
}
ONLY_IN_THE_TEMPLATE = {
    "AWS::Lambda::LayerVersion": "Terraform sees by itself that the code is new",
    "AWS::Lambda::Version": "`publish` makes versions, and keeps the old ones",
}
ONLY_IN_THE_MODULE = {
    "aws_cloudwatch_event_target": "part of the rule in CloudFormation",
    "aws_iam_role_policy_attachment": "part of the role in CloudFormation",
}
# One resource of the module makes many alarms; these are compared one by one below.
ALARMS = ("AWS::CloudWatch::Alarm", "aws_cloudwatch_metric_alarm")


def test_both_make_the_same_number_of_the_same_things() -> None:
    made = [resource["Type"] for resource in _stack().resources.values()]
    assert set(made) == SAME.keys() | ONLY_IN_THE_TEMPLATE.keys() | {ALARMS[0]}
    kinds = [kind for kind, _ in _blocks("resource")]
    assert set(kinds) == set(SAME.values()) | ONLY_IN_THE_MODULE.keys() | {ALARMS[1]}
    assert {k: kinds.count(k) for k in SAME.values()} == {m: made.count(t) for t, m in SAME.items()}


def test_both_take_the_same_parameters_with_the_same_defaults() -> None:
    parameters = template()["Parameters"]
    variables = _variables()
    # The module spreads long lists over policies by itself.
    names = parameters.keys() - LATER_PARTS
    assert variables.keys() == {_snake(name) for name in names} | {"name", "package_path", "tags"}
    for name in names:
        parameter = parameters[name]
        variable = variables[_snake(name)]
        assert ("default" in variable) == ("Default" in parameter), name
        if "Default" in parameter:
            default = variable["default"]
            if isinstance(default, list):
                default = ",".join(default)
            assert str(default).lower() == str(parameter["Default"]).lower(), name
        if "AllowedPattern" in parameter and _snake(name) not in ("callers", "recover_concurrency"):
            pattern = parameter["AllowedPattern"]
            # An empty item is CloudFormation's way to say an empty list.
            pattern = re.sub(r"^\^\((arn:\[a-z-\]\+:iam::\[0.*)\)\?\$$", r"^\1$", pattern)
            assert pattern in variable["validation"][0]["condition"], name


def test_the_usual_name_is_that_of_the_stack() -> None:
    assert _variables()["name"]["default"] == "retry-run-task"


def test_both_tell_the_same_outputs() -> None:
    outputs = {name: body for block in module()["output"] for name, body in block.items()}
    assert outputs.keys() == {_snake(name) for name in template()["Outputs"]}
    assert outputs["version"]["value"] == __version__


FUNCTION = {
    "FunctionName": "function_name",
    "Handler": "handler",
    "Runtime": "runtime",
    "Architectures": "architectures",
    "Timeout": "timeout",
    "MemorySize": "memory_size",
}


@pytest.mark.parametrize("name", ["Intake", "Recover", "Audit"])
def test_the_functions_are_the_same(name: str) -> None:
    theirs = _stack().of_type("AWS::Lambda::Function")[name]
    ours = _blocks("resource")["aws_lambda_function", name.lower()]
    for key, attribute in FUNCTION.items():
        value = ours[attribute]
        assert (_named(value) if isinstance(value, str) else value) == theirs[key], key
    # Those of CloudFormation that the module says in other words, or cannot.
    also = {"Code", "Description", "Role", "LoggingConfig", "DeadLetterConfig", "Environment"}
    also |= {"KmsKeyArn", "VpcConfig"}
    assert ours["kms_key_arn"] == "${local.data_key}"
    (vpc,) = (block["vpc_config"] for block in ours["dynamic"])
    assert vpc["content"] == [
        {"subnet_ids": "${var.subnet_ids}", "security_group_ids": "${var.security_group_ids}"}
    ]
    assert theirs.keys() - FUNCTION.keys() - also <= {"DurableConfig", "ReservedConcurrentExecutions"}
    assert ours["logging_config"][0]["log_format"] == theirs["LoggingConfig"]["LogFormat"]
    which = "[0]" if "count" in ours else ""
    assert (
        ours["logging_config"][0]["log_group"] == f"${{aws_cloudwatch_log_group.{name.lower()}{which}.name}}"
    )
    queue = f"${{aws_sqs_queue.{name.lower()}_dead_letters.arn}}"
    assert ours.get("dead_letter_config") == (
        [{"target_arn": queue}] if "DeadLetterConfig" in theirs else None
    )


@pytest.mark.parametrize("name", ["Intake", "Recover", "Audit"])
def test_the_functions_have_the_same_environment(name: str) -> None:
    theirs = _stack().of_type("AWS::Lambda::Function")[name]["Environment"]["Variables"]
    ours = _blocks("resource")["aws_lambda_function", name.lower()]["environment"][0]["variables"]
    assert ours.keys() == theirs.keys()


def test_the_module_says_that_terraform_installed_it() -> None:
    intake = _blocks("resource")["aws_lambda_function", "intake"]
    assert intake["environment"][0]["variables"]["RETRY_RUN_TASK_INSTALLED_BY"] == "terraform"


def test_recover_is_durable_and_limited_and_published_in_both() -> None:
    theirs = _stack().of_type("AWS::Lambda::Function")["Recover"]
    ours = _blocks("resource")["aws_lambda_function", "recover"]
    assert ours["durable_config"] == [
        {
            "execution_timeout": theirs["DurableConfig"]["ExecutionTimeout"],
            "retention_period": theirs["DurableConfig"]["RetentionPeriodInDays"],
        }
    ]
    # Not KMSKeyArn: no version of the provider knows it; see test_terraform_schema.py.
    assert theirs["DurableConfig"].keys() == {"ExecutionTimeout", "RetentionPeriodInDays", "KMSKeyArn"}
    assert ours["publish"] is True
    assert ours["reserved_concurrent_executions"] == "${coalesce(var.recover_concurrency,-1)}"
    assert _blocks("resource")["aws_lambda_alias", "live"]["name"] == "live"


def test_events_are_delivered_as_often_in_both() -> None:
    theirs = {
        (c["MaximumRetryAttempts"], c["MaximumEventAgeInSeconds"])
        for c in _stack().of_type("AWS::Lambda::EventInvokeConfig").values()
    }
    ours = {
        (c["maximum_retry_attempts"], c["maximum_event_age_in_seconds"])
        for c in _of_type("aws_lambda_function_event_invoke_config")
    }
    assert ours == theirs
    rules = _stack().of_type("AWS::Events::Rule").values()
    targets = {
        name: body
        for (kind, name), body in _blocks("resource").items()
        if kind == "aws_cloudwatch_event_target"
    }
    assert len(rules) == len(targets)
    for rule in rules:
        target = targets[rule["Name"].removeprefix("NAME-").replace("-", "_")]
        retry = rule["Targets"][0]["RetryPolicy"]
        assert target["retry_policy"] == [
            {
                "maximum_retry_attempts": retry["MaximumRetryAttempts"],
                "maximum_event_age_in_seconds": retry["MaximumEventAgeInSeconds"],
            }
        ]
        queue = [{"arn": "${aws_sqs_queue.intake_dead_letters.arn}"}]
        assert target.get("dead_letter_config") == (
            queue if "DeadLetterConfig" in rule["Targets"][0] else None
        )


def test_the_log_groups_and_queues_have_the_same_names_and_keep_as_long() -> None:
    stack = _stack()
    assert {_named(g["name"]) for g in _of_type("aws_cloudwatch_log_group")} == {
        g["LogGroupName"] for g in stack.of_type("AWS::Logs::LogGroup").values()
    }
    assert {g["retention_in_days"] for g in _of_type("aws_cloudwatch_log_group")} == {
        "${var.log_retention_days}"
    }
    queues = _of_type("aws_sqs_queue")
    assert {(_named(q["name"]), q["message_retention_seconds"]) for q in queues} == {
        (q["QueueName"], q["MessageRetentionPeriod"]) for q in stack.of_type("AWS::SQS::Queue").values()
    }


def test_what_is_kept_has_a_key_of_ones_own_or_awss() -> None:
    assert _locals()["data_key"] == '${var.data_key_arn != "" ? var.data_key_arn : None}'
    for queue in _of_type("aws_sqs_queue"):
        assert queue["kms_master_key_id"] == "${local.data_key}"
        assert queue["sqs_managed_sse_enabled"] == "${local.data_key == None ? True : None}"
    for group in _of_type("aws_cloudwatch_log_group"):
        assert group["kms_key_id"] == "${local.data_key}"


def test_what_variables_are_together_is_checked_in_both() -> None:
    """In the module by validations of one variable with another, and by preconditions of what AWS has to be asked."""
    said = [
        one["error_message"]
        for one in _blocks("resource")["aws_lambda_function", "intake"]["lifecycle"][0]["precondition"]
    ]
    said += [
        one["error_message"] for variable in _variables().values() for one in variable.get("validation", [])
    ]
    for rule in template()["Rules"].values():
        for one in rule["Assertions"]:
            # "MemberAccounts has this account, ..." is "member_accounts has this account, ..."
            words = re.split(r"[,;]", one["AssertDescription"])[0].split()
            known = [_snake(word) if word in template()["Parameters"] else word for word in words]
            wanted = (
                " ".join(known)
                .replace("With MemberAccounts", "With member_accounts")
                .replace("the stack's", "the provider's")
            )
            assert any(wanted in text for text in said), wanted


def test_everything_that_takes_tags_has_them() -> None:
    """What takes none: https://github.com/hashicorp/terraform-provider-aws/tree/main/website/docs/r."""
    without = {kind for (kind, _), body in _blocks("resource").items() if "tags" not in body}
    assert without == {
        "aws_cloudwatch_dashboard",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_log_metric_filter",
        "aws_cloudwatch_log_subscription_filter",
        "aws_iam_role_policy_attachment",
        "aws_lambda_alias",
        "aws_lambda_function_event_invoke_config",
        "aws_lambda_permission",
        "aws_sns_topic_policy",
        "aws_sns_topic_subscription",
        "aws_sqs_queue_policy",
    }
    assert {body["tags"] for body in _blocks("resource").values() if "tags" in body} == {"${var.tags}"}


def test_the_roles_are_where_and_as_bounded_as_is_asked() -> None:
    for role in _of_type("aws_iam_role"):
        assert (role["path"], role["permissions_boundary"]) == (
            "${var.role_path}",
            "${local.permissions_boundary}",
        )
    assert {policy["path"] for policy in _of_type("aws_iam_policy")} == {"${var.role_path}"}


def test_the_event_sources_are_those_that_the_code_is_written_for() -> None:
    assert _locals()["filter_pattern"].replace('\\"', '"') == FILTER_PATTERN
    assert f'? "{FILTER_NAME}" : "{FILTER_NAME}-${{var.name}}"' in _locals()["filter_name"]
    assert _locals()["failed_calls"] == eventbridge.EVENT_PATTERN
    assert _locals()["failed_starts"] == task_state_change.EVENT_PATTERN
    assert _locals()["failed_starts_paths"] == task_state_change.INPUT_PATHS
    assert _locals()["failed_starts_template"].replace('\\"', '"') == task_state_change.INPUT_TEMPLATE
    assert _blocks("resource")["aws_cloudwatch_event_target", "failed_starts"]["input_transformer"] == [
        {"input_paths": "${local.failed_starts_paths}", "input_template": "${local.failed_starts_template}"}
    ]
    assert {
        _named(r["name"]): r.get("event_pattern", r.get("schedule_expression"))
        for r in _of_type("aws_cloudwatch_event_rule")
    } == {
        "NAME-failed-calls": "${jsonencode(local.failed_calls)}",
        "NAME-failed-starts": "${jsonencode(local.failed_starts)}",
        "NAME-audit": "${var.audit_schedule}",
    }
    assert len(_stack().of_type("AWS::Events::Rule")) == 3
    assert {
        (p["principal"], "source_arn" in p, p["source_account"]) for p in _of_type("aws_lambda_permission")
    } == {
        ("logs.amazonaws.com", True, "${local.account}"),
        ("events.amazonaws.com", True, "${local.account}"),
    }


def _module_statements(name: str) -> Iterator[dict[str, Any]]:
    document = _blocks("data")["aws_iam_policy_document", name]
    yield from document.get("statement", [])
    for dynamic in document.get("dynamic", []):
        yield from dynamic["statement"]["content"]


def _about(statements: list[dict[str, Any]]) -> dict[str, tuple[set[str], set[tuple[str, str]]]]:
    """Return actions and conditions by statement, from CloudFormation's form."""
    return {
        s["Sid"]: (
            set(s["Action"] if isinstance(s["Action"], list) else [s["Action"]]),
            {(operator, key) for operator, wanted in s.get("Condition", {}).items() for key in wanted},
        )
        for s in statements
    }


@pytest.mark.parametrize(
    "logical_id",
    [
        "IntakePolicy",
        "RecoverPolicy",
        "RecoverReadsPolicy",
        "RecoverKeysPolicy",
        "AuditPolicy",
        "VpcPolicy",
        "IntakeDeadLettersPolicy",
        "NotificationsPolicy",
    ],
)
def test_the_policies_say_the_same(logical_id: str) -> None:
    theirs = _about(_stack().resources[logical_id]["Properties"]["PolicyDocument"]["Statement"])
    # The provider cannot give durable executions a key: see above.
    theirs.pop("ReadWhereRecoveriesAre", None)
    name = _snake(logical_id).removesuffix("_policy")
    ours = {
        s["sid"]: (_actions(s), {(c["test"], c["variable"]) for c in s.get("condition", [])})
        for s in _module_statements(name)
    }
    assert ours == theirs
    denied = {s["sid"] for s in _module_statements(name) if s.get("effect") == "Deny"}
    on_everything = {s["sid"] for s in _module_statements(name) if s["resources"] == ["*"]}
    document = _stack().resources[logical_id]["Properties"]["PolicyDocument"]
    assert on_everything == {s["Sid"] for s in document["Statement"] if s["Resource"] == "*"}
    assert denied == {s["Sid"] for s in document["Statement"] if s["Effect"] == "Deny"}


def _actions(statement: dict[str, Any]) -> set[str]:
    actions = statement["actions"]
    if actions == "${local.network_interfaces}":
        actions = _locals()["network_interfaces"]
    return set(actions)


def test_roles_and_policies_have_the_same_names() -> None:
    stack = _stack()
    assert {_named(r["name"]) for r in _of_type("aws_iam_role")} == {
        r["RoleName"] for r in stack.of_type("AWS::IAM::Role").values()
    }
    later = '${count.index > 0 ? "-${count.index + 1}" : ""}'
    assert {_named(p["name"]).removesuffix(later) for p in _of_type("aws_iam_policy")} == {
        p["ManagedPolicyName"] for p in stack.of_type("AWS::IAM::ManagedPolicy").values()
    }


def test_alarms_of_one_metric_are_the_same() -> None:
    theirs = {}
    for alarm in _stack().of_type("AWS::CloudWatch::Alarm").values():
        if "MetricName" in alarm and alarm["MetricName"] != "ScheduledCalls":
            theirs[alarm["AlarmName"].removeprefix("NAME-")] = {
                "sentence": alarm["AlarmDescription"].rpartition(" ")[0],
                "namespace": alarm["Namespace"],
                "metric": alarm["MetricName"],
                "statistic": alarm["Statistic"],
                "dimensions": [d["Name"] for d in alarm["Dimensions"]],
            }
            common = (
                alarm["Period"],
                alarm["EvaluationPeriods"],
                alarm["Threshold"],
                alarm["ComparisonOperator"],
            )
            assert common == _common(_blocks("resource")["aws_cloudwatch_metric_alarm", "counted"])
    ours = _locals()["alarms"]
    assert {n: {**alarm, "dimensions": list(alarm["dimensions"])} for n, alarm in ours.items()} == theirs
    assert list(ours) == list(theirs)
    counted = _blocks("resource")["aws_cloudwatch_metric_alarm", "counted"]
    assert counted["alarm_description"] == "${each.value.sentence} ${var.runbook_url}#${each.key}"


def _common(alarm: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(alarm.get(k) for k in ("period", "evaluation_periods", "threshold", "comparison_operator"))


@pytest.mark.parametrize(("logical_id", "name"), [("GaveUpAlarm", "gave_up"), ("BrokeAlarm", "broke")])
def test_alarms_of_many_metrics_are_the_same(logical_id: str, name: str) -> None:
    theirs = _stack().of_type("AWS::CloudWatch::Alarm")[logical_id]
    ours = _blocks("resource")["aws_cloudwatch_metric_alarm", name]
    assert _named(ours["alarm_name"]) == theirs["AlarmName"]
    assert (
        ours["alarm_description"].replace("${var.runbook_url}", "docs/runbook.md")
        == theirs["AlarmDescription"]
    )
    assert _common(ours)[1:] == tuple(
        theirs[k] for k in ("EvaluationPeriods", "Threshold", "ComparisonOperator")
    )
    total = " + ".join(f"FILL({category}, 0)" for category in _locals()["categories"])
    expression = ours["metric_query"][0]["expression"].replace("${local.gave_up}", total)
    assert expression == next(q["Expression"] for q in theirs["Metrics"] if "Expression" in q)
    (each,) = (d["metric_query"]["content"][0]["metric"][0] for d in ours["dynamic"])
    queries = [q["MetricStat"] for q in theirs["Metrics"] if "MetricStat" in q]
    single = [q["metric"][0] for q in ours["metric_query"] if "metric" in q]
    assert {q["Metric"]["MetricName"] for q in queries} == {m["metric_name"] for m in [each, *single]}
    assert {(q["Stat"], q["Period"]) for q in queries} == {(m["stat"], m["period"]) for m in [each, *single]}


def test_the_alarm_on_audits_that_failed_is_the_same() -> None:
    theirs = _stack().of_type("AWS::CloudWatch::Alarm")["NotAuditedAlarm"]
    ours = _blocks("resource")["aws_cloudwatch_metric_alarm", "not_audited"]
    assert _named(ours["alarm_name"]) == theirs["AlarmName"]
    text = ours["alarm_description"].replace("${var.runbook_url}", "docs/runbook.md")
    assert text == theirs["AlarmDescription"]
    assert _common(ours)[1:] == tuple(
        theirs[k] for k in ("EvaluationPeriods", "Threshold", "ComparisonOperator")
    )
    queries = {q["Id"]: q.get("Expression") or q["MetricStat"] for q in theirs["Metrics"]}
    assert [q["id"] for q in ours["metric_query"]] == list(queries)
    for query in ours["metric_query"]:
        if "expression" in query:
            assert query["expression"] == queries[query["id"]]
            continue
        (metric,), known = query["metric"], queries[query["id"]]
        assert (metric["namespace"], metric["metric_name"], metric["stat"], metric["period"]) == (
            known["Metric"]["Namespace"],
            known["Metric"]["MetricName"],
            known["Stat"],
            known["Period"],
        )
        assert list(metric["dimensions"]) == [d["Name"] for d in known["Metric"]["Dimensions"]]


def test_the_alarm_on_a_silent_trail_is_the_same() -> None:
    theirs = _stack().of_type("AWS::CloudWatch::Alarm")["TrailSilentAlarm"]
    ours = _blocks("resource")["aws_cloudwatch_metric_alarm", "trail_silent"]
    assert (
        ours["alarm_description"].replace("${var.runbook_url}", "docs/runbook.md")
        == theirs["AlarmDescription"]
    )
    assert {
        k: _named(ours[k])
        for k in ("alarm_name", "namespace", "metric_name", "statistic", "treat_missing_data")
    } == {
        "alarm_name": theirs["AlarmName"],
        "namespace": theirs["Namespace"],
        "metric_name": theirs["MetricName"],
        "statistic": theirs["Statistic"],
        "treat_missing_data": theirs["TreatMissingData"],
    }
    assert (ours["period"], ours["threshold"], ours["comparison_operator"]) == (
        theirs["Period"],
        theirs["Threshold"],
        theirs["ComparisonOperator"],
    )
    assert ours["evaluation_periods"] == "${tonumber(var.trail_silent_hours)}"
    (filtered,) = _of_type("aws_cloudwatch_log_metric_filter")
    (counted,) = filtered["metric_transformation"]
    (theirs_filter,) = _stack().of_type("AWS::Logs::MetricFilter").values()
    (theirs_counted,) = theirs_filter["MetricTransformations"]
    assert _named(filtered["name"]) == theirs_filter["FilterName"]
    assert _locals()["scheduled_calls_pattern"].replace('\\"', '"') == SCHEDULED_CALLS_PATTERN
    assert (_named(counted["namespace"]), counted["name"], counted["value"], counted["unit"]) == (
        theirs_counted["MetricNamespace"],
        theirs_counted["MetricName"],
        theirs_counted["MetricValue"],
        theirs_counted["Unit"],
    )


def test_give_ups_are_added_up_over_all_categories() -> None:
    assert set(_locals()["categories"]) == {category.value for category in Category}


def test_every_alarm_tells_the_topic_and_is_quiet_while_nothing_happens() -> None:
    for alarm in _of_type("aws_cloudwatch_metric_alarm"):
        assert alarm["alarm_actions"] == ["${aws_sns_topic.notifications.arn}"]
        is_about_silence = alarm["metric_name"] == "ScheduledCalls" if "metric_name" in alarm else False
        assert alarm["treat_missing_data"] == ("breaching" if is_about_silence else "notBreaching")


def test_the_dashboards_are_the_same() -> None:
    alarm = "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:NAME-"
    text = (MODULE / "dashboard.json.tftpl").read_text()
    for name, value in {
        "name": "NAME",
        "region": "ap-northeast-1",
        "alarm": alarm,
        "filter_alarm": f',"{alarm}filter-delivery"',
        "trail_alarm": f',"{alarm}trail-silent"',
        "audit_alarm": f',"{alarm}not-audited"',
    }.items():
        text = re.sub(rf"(?<!\$)\$\{{{name}\}}", lambda _, value=value: value, text)
    (theirs,) = _stack().of_type("AWS::CloudWatch::Dashboard").values()
    assert json.loads(text.replace("$${", "${")) == json.loads(theirs["DashboardBody"])


@pytest.mark.parametrize("example", ["minimal", "complete"])
def test_the_examples_use_variables_that_there_are(example: str) -> None:
    text = (MODULE / "examples" / example / "main.tf").read_text()
    block = re.search(r'(?ms)^module "retry_run_task" \{\n(.*?)^\}', text)
    assert block
    used = set(re.findall(r"(?m)^  (\w+) += ", block[1])) - {"source"}
    required = {name for name, variable in _variables().items() if "default" not in variable}
    assert required <= used <= _variables().keys()
    if example == "complete":
        assert used == _variables().keys()


def test_the_readme_tells_every_variable_and_output() -> None:
    text = (MODULE / "README.md").read_text()
    outputs = {name for block in module()["output"] for name in block}
    for name in _variables().keys() | outputs:
        assert f"`{name}`" in text, name


def test_durable_functions_need_a_provider_that_knows_them() -> None:
    (terraform,) = module()["terraform"]
    assert terraform["required_providers"][0]["aws"]["version"] == ">= 6.25"


def test_the_files_are_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not installed, so the format of infra/terraform is not checked here")
    # Whatever this machine's own configuration says, fmt needs none.
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("CHECKPOINT_DISABLE", "1")
    command = [terraform, "fmt", "-check", "-diff", "-recursive", MODULE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("names", [(25, 120), (5, 600), (100, 40), (255, 30)])
@pytest.mark.parametrize(
    ("clusters", "regions"), [(["default"], []), ([f"c-{n:018}" for n in range(20)], ["us-gov-west-1"] * 5)]
)
@pytest.mark.parametrize("file", ["iam.tf", "modules/member/main.tf"])
def test_each_part_of_a_long_list_fits_into_a_policy(
    names: tuple[int, int], clusters: list[str], regions: list[str], file: str
) -> None:
    """The module's own arithmetic, with its own numbers, on the longest ARNs that there are."""
    text = (MODULE / file).read_text(encoding="utf-8")
    room, around_cluster, region = map(
        int, re.findall(r"run_room\s*=\s*(\d+) - .*\+ (\d+)\]\) - (\d+) \*", text)[0]
    )
    (around,) = map(int, re.findall(r"run_most .*\.\.\.\) \+ (\d+)\)\)", text))
    pass_room, around_role = map(
        int, re.findall(r"pass_most = max\(1, floor\((\d+) .* \+ (\d+)\)\)", text)[0]
    )
    read_room, read_region = map(int, re.findall(r"read_room\s*=\s*(\d+) - (\d+) \*", text)[0])
    length, count = names
    left = room - sum(len(one) + around_cluster for one in clusters) - region * len(regions)
    families = [f"{n:0{length}}" for n in range(count)]
    ecs = "arn:aws-us-gov:ecs:*:123456789012"
    run = {
        "Sid": "MakeFailedCallsAgain",
        "Effect": "Allow",
        "Action": "ecs:RunTask",
        "Resource": [
            f"{ecs}:task-definition/{family}:*" for family in families[: max(1, left // (length + around))]
        ],
        "Condition": {
            "StringEquals": {"aws:RequestedRegion": regions or ["us-gov-west-1"]},
            "ArnLike": {"ecs:cluster": [f"{ecs}:cluster/{cluster}" for cluster in clusters]},
        },
    }
    roles = [f"arn:aws-us-gov:iam::123456789012:role/{n:0{min(length, 64)}}" for n in range(count)]
    # The member module takes names.
    given = roles[0] if file == "iam.tf" else roles[0].partition(":role/")[2]
    passing = {
        "Sid": "PassTheRolesOfTheTasks",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": roles[: max(1, pass_room // (len(given) + around_role))],
        "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    }
    only = {"StringEquals": {"aws:RequestedRegion": regions or ["us-gov-west-1"]}}
    group = "arn:aws-us-gov:scheduler:*:123456789012:schedule"
    schedules = [f"{group}/{'g' * min(length, 64)}/{n:0{min(length, 64)}}" for n in range(count)]
    most = max(1, (read_room - read_region * len(regions)) // (len(schedules[0]) + 3))
    around_them = ["arn:aws-us-gov:ecs:*:123456789012:task-definition/*", f"{group}-group/*"]
    # As many rules as would fit if they were as long as the schedules.
    read = [
        (_RULE_READS, [one.replace("scheduler", "events") for one in schedules[: most // 2]]),
        (["scheduler:GetSchedule"], schedules[most // 2 : most]),
        (["ecs:ListTagsForResource", "scheduler:ListTagsForResource"], around_them),
    ]
    assert _characters(run) <= 6144
    assert _characters(passing) <= 6144
    assert (
        _characters(
            *(
                {
                    "Sid": "ReadTheSchedules",
                    "Effect": "Allow",
                    "Action": actions,
                    "Resource": on,
                    "Condition": only,
                }
                for actions, on in read
            )
        )
        <= 6144
    )


_RULE_READS = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]


def _characters(*statements: dict[str, Any]) -> int:
    document = {"Version": "2012-10-17", "Statement": statements}
    return len(json.dumps(document, separators=(",", ":")))
