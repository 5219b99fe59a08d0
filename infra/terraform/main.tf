# The same system as ../template.yaml, resource by resource and in the same order: the event sources, intake, recover,
# how messages are sent, what a person looks at; audit.tf has the audit. The reasons are written there.

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
  account   = data.aws_caller_identity.current.account_id
  ecs       = "arn:${local.partition}:ecs:*:${local.account}"
  package   = coalesce(var.package_path, "${path.module}/../../build/lambda.zip")

  # Where tasks may be started: the condition of every statement about them.
  regions = length(var.regions) > 0 ? var.regions : [local.region]

  has_trail_log_group = var.trail_log_group_name != ""
  watches_trail       = local.has_trail_log_group && var.trail_silent_hours != ""

  has_vpc              = length(var.subnet_ids) > 0
  has_keys             = var.topic_key_arn != "" || var.data_key_arn != "" || length(var.schedule_key_arns) > 0
  data_key             = var.data_key_arn != "" ? var.data_key_arn : null
  permissions_boundary = var.permissions_boundary_arn != "" ? var.permissions_boundary_arn : null

  network_interfaces = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]

  # A log group has two filters at most, and their names differ. A second installation gets the second.
  filter_name = var.name == "retry-run-task" ? "RunTaskFailureFilter" : "RunTaskFailureFilter-${var.name}"

  filter_pattern = "{ ($.eventName = \"RunTask\") && (($.errorCode = \"*\") || ($.responseElements.failures[0].reason = \"*\") || ($.responseElements.tasks[0].taskArn NOT EXISTS)) }"

  scheduled_calls_pattern = "{ ($.eventName = \"RunTask\") && (($.userIdentity.invokedBy = \"events.amazonaws.com\") || ($.userIdentity.invokedBy = \"scheduler.amazonaws.com\") || ($.userAgent = \"AmazonEventBridgeScheduler*\") || ($.requestParameters.startedBy = \"events-rule/*\") || ($.requestParameters.startedBy = \"chronos-schedule/*\")) }"

  recovers_errors             = contains(["errors", "errors-and-spot-interruptions"], var.also_recover)
  recovers_spot_interruptions = contains(["spot-interruptions", "errors-and-spot-interruptions"], var.also_recover)

  failed_calls = {
    source      = ["aws.ecs"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["ecs.amazonaws.com"]
      eventName   = ["RunTask"]
      "$or" = [
        { responseElements = { failures = { reason = [{ exists = true }] } } },
        { errorCode = [{ exists = true }] },
      ]
    }
  }

  failed_starts = {
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      lastStatus = ["STOPPED"]
      stopCode   = ["TaskFailedToStart", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"]
      startedBy  = [{ prefix = "events-rule/" }, { prefix = "chronos-schedule/" }]
    }
  }
}

# What is handed on of a task that did not start.
locals {
  failed_starts_paths = {
    id                = "$.id"
    account           = "$.account"
    time              = "$.time"
    region            = "$.region"
    clusterArn        = "$.detail.clusterArn"
    taskArn           = "$.detail.taskArn"
    taskDefinitionArn = "$.detail.taskDefinitionArn"
    startedBy         = "$.detail.startedBy"
    availabilityZone  = "$.detail.availabilityZone"
    createdAt         = "$.detail.createdAt"
    startedAt         = "$.detail.startedAt"
    stoppedAt         = "$.detail.stoppedAt"
    desiredStatus     = "$.detail.desiredStatus"
    lastStatus        = "$.detail.lastStatus"
    stopCode          = "$.detail.stopCode"
    stoppedReason     = "$.detail.stoppedReason"
    containers        = "$.detail.containers"
  }

  failed_starts_template = "{\"detail-type\": \"ECS Task State Change\", \"source\": \"aws.ecs\", \"id\": \"<id>\", \"account\": \"<account>\", \"time\": \"<time>\", \"region\": \"<region>\", \"detail\": {\"clusterArn\": \"<clusterArn>\", \"taskArn\": \"<taskArn>\", \"taskDefinitionArn\": \"<taskDefinitionArn>\", \"startedBy\": \"<startedBy>\", \"availabilityZone\": \"<availabilityZone>\", \"createdAt\": \"<createdAt>\", \"startedAt\": \"<startedAt>\", \"stoppedAt\": \"<stoppedAt>\", \"desiredStatus\": \"<desiredStatus>\", \"lastStatus\": \"<lastStatus>\", \"stopCode\": \"<stopCode>\", \"stoppedReason\": <stoppedReason>, \"containers\": <containers>}}"
}

# --- The event sources. All are on: the second arrival of a failure is the same recovery. ---

resource "aws_cloudwatch_log_subscription_filter" "trail" {
  count = local.has_trail_log_group ? 1 : 0

  name            = local.filter_name
  log_group_name  = var.trail_log_group_name
  filter_pattern  = local.filter_pattern
  destination_arn = aws_lambda_function.intake.arn

  # CloudWatch Logs tests the function when the filter is created, so the permission must exist by then.
  depends_on = [aws_lambda_permission.trail]
}

resource "aws_lambda_permission" "trail" {
  count = local.has_trail_log_group ? 1 : 0

  function_name  = aws_lambda_function.intake.function_name
  action         = "lambda:InvokeFunction"
  principal      = "logs.amazonaws.com"
  source_arn     = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${var.trail_log_group_name}:*"
  source_account = local.account
}

# Counts every call of a rule or schedule, also successful ones, so that silence differs from a day without failures.
resource "aws_cloudwatch_log_metric_filter" "trail_calls" {
  count = local.watches_trail ? 1 : 0

  name           = "${var.name}-scheduled-calls"
  log_group_name = var.trail_log_group_name
  pattern        = local.scheduled_calls_pattern

  metric_transformation {
    namespace = "retry-run-task/${var.name}"
    name      = "ScheduledCalls"
    value     = "1"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_event_rule" "failed_calls" {
  name          = "${var.name}-failed-calls"
  description   = "RunTask calls that placed nothing or part of what was asked for, or that raised an error."
  event_pattern = jsonencode(local.failed_calls)
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "failed_calls" {
  rule      = aws_cloudwatch_event_rule.failed_calls.name
  target_id = "intake"
  arn       = aws_lambda_function.intake.arn

  retry_policy {
    maximum_retry_attempts       = 185
    maximum_event_age_in_seconds = 86400
  }

  dead_letter_config {
    arn = aws_sqs_queue.intake_dead_letters.arn
  }
}

resource "aws_lambda_permission" "failed_calls" {
  function_name  = aws_lambda_function.intake.function_name
  action         = "lambda:InvokeFunction"
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.failed_calls.arn
  source_account = local.account
}

resource "aws_cloudwatch_event_rule" "failed_starts" {
  name          = "${var.name}-failed-starts"
  description   = "Tasks of rules and schedules that ECS accepted and that did not start."
  event_pattern = jsonencode(local.failed_starts)
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "failed_starts" {
  rule      = aws_cloudwatch_event_rule.failed_starts.name
  target_id = "intake"
  arn       = aws_lambda_function.intake.arn

  # Without the task's overrides: their environment values are in clear in the event.
  input_transformer {
    input_paths    = local.failed_starts_paths
    input_template = local.failed_starts_template
  }

  retry_policy {
    maximum_retry_attempts       = 185
    maximum_event_age_in_seconds = 86400
  }

  dead_letter_config {
    arn = aws_sqs_queue.intake_dead_letters.arn
  }
}

resource "aws_lambda_permission" "failed_starts" {
  function_name  = aws_lambda_function.intake.function_name
  action         = "lambda:InvokeFunction"
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.failed_starts.arn
  source_account = local.account
}

# --- intake: parses, decides on scope, names the recovery, starts it. ---

resource "aws_cloudwatch_log_group" "intake" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts every group; a key of one's own costs a dollar a month while nothing fails.
  #checkov:skip=CKV_AWS_338:How long logs are kept is a variable; a year is for the trail, which has the calls themselves.
  name              = "/aws/lambda/${var.name}-intake"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.data_key
  tags              = var.tags
}

resource "aws_lambda_function" "intake" {
  #checkov:skip=CKV_AWS_115:A limit would only delay recoveries; recover, which calls RunTask, has one.
  #checkov:skip=CKV_AWS_117:It speaks to Lambda's API only; a VPC would add a NAT gateway or endpoints, and protect nothing.
  #checkov:skip=CKV_AWS_173:The environment holds names and patterns, no secrets; Lambda encrypts it with its own key.
  #checkov:skip=CKV_AWS_50:Logs carry the recovery's name through both functions; traces would cost and tell no more.
  #checkov:skip=CKV_AWS_272:The zip is reproducible, and its digest is what is deployed; signing needs a profile of the account.
  function_name    = "${var.name}-intake"
  description      = "Starts a recovery for every failed RunTask call in scope."
  handler          = "retry_run_task.handlers.intake"
  filename         = local.package
  source_code_hash = filebase64sha256(local.package)
  runtime          = "python3.13"
  architectures    = ["arm64"]
  role             = aws_iam_role.intake.arn
  kms_key_arn      = local.data_key
  tags             = var.tags
  timeout          = 300
  memory_size      = 512

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.intake.name
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.intake_dead_letters.arn
  }

  environment {
    variables = {
      RETRY_RUN_TASK_STACK              = var.name
      RETRY_RUN_TASK_INSTALLED_BY       = "terraform"
      RETRY_RUN_TASK_ROLE_PATH          = var.role_path
      RETRY_RUN_TASK_RECOVER_FUNCTION   = aws_lambda_alias.live.arn
      RETRY_RUN_TASK_ROLE_ARN           = aws_iam_role.recover.arn
      RETRY_RUN_TASK_CALLERS            = join(",", var.callers)
      RETRY_RUN_TASK_CLUSTERS           = join(",", var.clusters)
      RETRY_RUN_TASK_TASK_DEFINITIONS   = join(",", var.task_definitions)
      RETRY_RUN_TASK_REGIONS            = join(",", var.regions)
      RETRY_RUN_TASK_ACCOUNTS           = join(",", var.member_accounts)
      RETRY_RUN_TASK_RECOVER_ERRORS     = tostring(local.recovers_errors)
      RETRY_RUN_TASK_SPOT_INTERRUPTIONS = tostring(local.recovers_spot_interruptions)
    }
  }

  dynamic "vpc_config" {
    for_each = local.has_vpc ? [1] : []

    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  depends_on = [aws_iam_role_policy_attachment.intake, aws_iam_role_policy_attachment.vpc]

  # The template's Rules.
  lifecycle {
    precondition {
      condition     = contains(local.regions, local.region)
      error_message = "regions leaves out the provider's own, so nothing here would be recovered; name it, too."
    }

    precondition {
      condition     = !contains(var.member_accounts, local.account)
      error_message = "member_accounts has this account, which needs no role to get into itself; leave it out."
    }

    # A function's environment may have 4,096 bytes. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    precondition {
      condition     = length(join(",", concat(var.task_definitions, var.clusters, var.regions, var.member_accounts))) <= 3300
      error_message = "task_definitions, clusters, regions and member_accounts are too long for the environment of intake, 3,300 characters in all; give patterns."
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "intake" {
  function_name                = aws_lambda_function.intake.function_name
  qualifier                    = "$LATEST"
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600
}

# What never became a recovery: events that intake failed on, and events that EventBridge could not deliver.
resource "aws_sqs_queue" "intake_dead_letters" {
  name                      = "${var.name}-intake-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = local.data_key == null ? true : null
  kms_master_key_id         = local.data_key
  tags                      = var.tags
}

data "aws_iam_policy_document" "intake_dead_letters" {
  statement {
    sid       = "KeepWhatEventBridgeCouldNotHandOver"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.intake_dead_letters.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.failed_calls.arn, aws_cloudwatch_event_rule.failed_starts.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "intake_dead_letters" {
  queue_url = aws_sqs_queue.intake_dead_letters.url
  policy    = data.aws_iam_policy_document.intake_dead_letters.json
}

# --- recover: RunTask, look at the answer, wait, again. ---

resource "aws_cloudwatch_log_group" "recover" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts every group; a key of one's own costs a dollar a month while nothing fails.
  #checkov:skip=CKV_AWS_338:How long logs are kept is a variable; a year is for the trail, which has the calls themselves.
  name              = "/aws/lambda/${var.name}-recover"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.data_key
  tags              = var.tags
}

resource "aws_lambda_function" "recover" {
  #checkov:skip=CKV_AWS_117:It speaks to ECS, SNS and Lambda only; a VPC would add a NAT gateway or endpoints, and protect nothing.
  #checkov:skip=CKV_AWS_173:The environment holds names, no secrets; Lambda encrypts it with its own key.
  #checkov:skip=CKV_AWS_50:The durable execution's history is its trace.
  #checkov:skip=CKV_AWS_272:The zip is reproducible, and its digest is what is deployed; signing needs a profile of the account.
  function_name    = "${var.name}-recover"
  description      = "Makes one failed RunTask call again until its tasks are there, as a durable execution."
  handler          = "retry_run_task.handlers.recover"
  filename         = local.package
  source_code_hash = filebase64sha256(local.package)
  runtime          = "python3.13"
  architectures    = ["arm64"]
  role             = aws_iam_role.recover.arn
  kms_key_arn      = local.data_key
  tags             = var.tags
  timeout          = 600
  memory_size      = 512

  # A version for every change. Old ones stay, as they must: a recovery ends on the version that it began with.
  publish = true

  # The account's guard against a storm of RunTask calls: whatever fails at once, no more than these act at once.
  reserved_concurrent_executions = coalesce(var.recover_concurrency, -1)

  durable_config {
    execution_timeout = 604800
    retention_period  = 30
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.recover.name
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.recover_dead_letters.arn
  }

  environment {
    variables = {
      RETRY_RUN_TASK_STACK            = var.name
      RETRY_RUN_TASK_ROLE_PATH        = var.role_path
      RETRY_RUN_TASK_TOPIC_ARN        = aws_sns_topic.notifications.arn
      RETRY_RUN_TASK_MESSAGES         = var.messages
      RETRY_RUN_TASK_TIME_ZONE        = var.time_zone
      RETRY_RUN_TASK_PROFILE          = var.command_profile
      RETRY_RUN_TASK_RUNBOOK_URL      = var.runbook_url
      RETRY_RUN_TASK_EXTERNAL_ID      = var.member_external_id
      RETRY_RUN_TASK_QUIET_S          = local.audits ? "3600" : "0"
      RETRY_RUN_TASK_RECOVER_ERRORS   = tostring(local.recovers_errors)
      RETRY_RUN_TASK_CALLS_PER_SECOND = "1" # of each; recover_concurrency has the sum
    }
  }

  dynamic "vpc_config" {
    for_each = local.has_vpc ? [1] : []

    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  depends_on = [
    aws_iam_role_policy_attachment.recover,
    aws_iam_role_policy_attachment.recover_run,
    aws_iam_role_policy_attachment.recover_pass,
    aws_iam_role_policy_attachment.recover_reads,
    aws_iam_role_policy_attachment.recover_keys,
    aws_iam_role_policy_attachment.vpc,
  ]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that new recoveries begin with."
  function_name    = aws_lambda_function.recover.function_name
  function_version = aws_lambda_function.recover.version
}

resource "aws_lambda_function_event_invoke_config" "recover" {
  function_name                = aws_lambda_function.recover.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600
}

# The failed launches of recoveries that gave up, timed out or were stopped.
resource "aws_sqs_queue" "recover_dead_letters" {
  name                      = "${var.name}-recover-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = local.data_key == null ? true : null
  kms_master_key_id         = local.data_key
  tags                      = var.tags
}

# --- How messages are sent. ---

resource "aws_sns_topic" "notifications" {
  #checkov:skip=CKV_AWS_26:Alarms cannot publish to a topic under alias/aws/sns, and a key of one's own costs while nothing fails; topic_key_arn takes one.
  name              = "${var.name}-notifications"
  display_name      = "retry-run-task"
  kms_master_key_id = var.topic_key_arn != "" ? var.topic_key_arn : null
  tags              = var.tags
}

data "aws_iam_policy_document" "notifications" {
  statement {
    sid       = "AlarmsOfThisStack"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.notifications.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.alarm}*"]
    }
  }
}

resource "aws_sns_topic_policy" "notifications" {
  arn    = aws_sns_topic.notifications.arn
  policy = data.aws_iam_policy_document.notifications.json
}

resource "aws_sns_topic_subscription" "email" {
  count = var.notification_email != "" ? 1 : 0

  topic_arn = aws_sns_topic.notifications.arn
  protocol  = "email"
  endpoint  = var.notification_email
}

# --- What a person looks at. Alarms are in alarms.tf. ---

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    name         = var.name
    region       = local.region
    alarm        = local.alarm
    filter_alarm = local.has_trail_log_group ? ",\"${local.alarm}filter-delivery\"" : ""
    audit_alarm  = local.audits ? ",\"${local.alarm}not-audited\"" : ""
    trail_alarm  = local.watches_trail ? ",\"${local.alarm}trail-silent\"" : ""
  })
}
