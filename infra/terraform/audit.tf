# The daily audit: the same as in ../template.yaml, and nothing if audit_schedule is empty.

locals {
  audits = var.audit_schedule != ""
}

resource "aws_cloudwatch_log_group" "audit" {
  count = local.audits ? 1 : 0

  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts every group; a key of one's own costs a dollar a month while nothing fails.
  #checkov:skip=CKV_AWS_338:How long logs are kept is a variable; a year is for the trail, which has the calls themselves.
  name              = "/aws/lambda/${var.name}-audit"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.data_key
  tags              = var.tags
}

data "aws_iam_policy_document" "audit" {
  # Every rule and schedule of the Regions, since a missing run of one that is left out would not be noticed.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudtrail.html
  statement {
    #checkov:skip=CKV_AWS_356:AWS knows nothing finer for these.
    sid       = "FindWhatWasDueAndCalled"
    actions   = ["cloudtrail:LookupEvents", "events:ListEventBuses", "events:ListRules", "scheduler:ListSchedules"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid     = "ReadWhatWasDue"
    actions = ["events:ListTargetsByRule", "scheduler:GetSchedule"]
    resources = [
      "arn:${local.partition}:events:*:${local.account}:rule/*",
      "arn:${local.partition}:scheduler:*:${local.account}:schedule/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  # Of a run without a call: on whatever cluster its schedule names.
  statement {
    #checkov:skip=CKV_AWS_356:AWS takes * here.
    sid       = "LookForTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid       = "LookAtTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = ["${local.ecs}:task/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid       = "ReadTheScope"
    actions   = ["lambda:GetFunctionConfiguration"]
    resources = [aws_lambda_function.intake.arn]
  }

  statement {
    sid       = "ReadRecoveries"
    actions   = ["lambda:GetDurableExecutionHistory", "lambda:ListDurableExecutionsByFunction"]
    resources = [aws_lambda_function.recover.arn, "${aws_lambda_function.recover.arn}:*"]
  }

  statement {
    sid       = "TellAPerson"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.notifications.arn]
  }

  dynamic "statement" {
    for_each = length(var.schedule_key_arns) > 0 ? [1] : []

    content {
      sid       = "ReadEncryptedSchedules"
      actions   = ["kms:Decrypt"]
      resources = var.schedule_key_arns

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["events.*.${data.aws_partition.current.dns_suffix}", "scheduler.*.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.topic_key_arn != "" ? [1] : []

    content {
      sid       = "UseTheKeyOfTheTopic"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.topic_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["sns.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }

  # The settings of intake, and the data of recoveries.
  # https://docs.aws.amazon.com/lambda/latest/dg/durable-encryption.html
  dynamic "statement" {
    for_each = var.data_key_arn != "" ? [1] : []

    content {
      sid       = "DecryptSettingsAndRecoveries"
      actions   = ["kms:Decrypt"]
      resources = [var.data_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["lambda.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:lambda:FunctionArn"
        values   = [aws_lambda_function.intake.arn, aws_lambda_function.recover.arn]
      }
    }
  }

  # Another role than recover's, which may only read.
  dynamic "statement" {
    for_each = length(var.member_accounts) > 0 ? [1] : []

    content {
      sid       = "EnterOtherAccounts"
      actions   = ["sts:AssumeRole"]
      resources = ["arn:${local.partition}:iam::*:role${var.role_path}${var.name}-member-audit"]

      condition {
        test     = "StringEquals"
        variable = "aws:ResourceAccount"
        values   = var.member_accounts
      }
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-audit:*"]
  }
}

resource "aws_iam_policy" "audit" {
  count = local.audits ? 1 : 0

  name        = "${var.name}-audit-policy"
  path        = var.role_path
  description = "What audit of retry-run-task may do."
  policy      = data.aws_iam_policy_document.audit.json
  tags        = var.tags
}

resource "aws_iam_role" "audit" {
  count = local.audits ? 1 : 0

  name                 = "${var.name}-audit-role"
  path                 = var.role_path
  description          = "What audit of retry-run-task runs under."
  assume_role_policy   = data.aws_iam_policy_document.lambda.json
  permissions_boundary = local.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy_attachment" "audit" {
  for_each = local.audits ? merge({ own = aws_iam_policy.audit[0].arn }, local.has_vpc ? { vpc = aws_iam_policy.vpc[0].arn } : {}) : {}

  role       = aws_iam_role.audit[0].name
  policy_arn = each.value
}

resource "aws_lambda_function" "audit" {
  count = local.audits ? 1 : 0

  #checkov:skip=CKV_AWS_115:It runs once a day, and nothing waits for it.
  #checkov:skip=CKV_AWS_116:An alarm reports a failed audit, and the command repeats it; its event says nothing.
  #checkov:skip=CKV_AWS_117:It only reads, and only AWS's own APIs; a VPC would add a NAT gateway or endpoints, and protect nothing.
  #checkov:skip=CKV_AWS_173:The environment holds names, no secrets; Lambda encrypts it with its own key.
  #checkov:skip=CKV_AWS_50:Its log says what it found; traces would cost and tell no more.
  #checkov:skip=CKV_AWS_272:The zip is reproducible, and its digest is what is deployed; signing needs a profile of the account.
  function_name    = "${var.name}-audit"
  description      = "Looks once a day for runs that were due and did not happen."
  handler          = "retry_run_task.commands.audit.function.audit"
  filename         = local.package
  source_code_hash = filebase64sha256(local.package)
  runtime          = "python3.13"
  architectures    = ["arm64"]
  role             = aws_iam_role.audit[0].arn
  kms_key_arn      = local.data_key
  tags             = var.tags
  timeout          = 900
  memory_size      = 512

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.audit[0].name
  }

  environment {
    variables = {
      RETRY_RUN_TASK_STACK       = var.name
      RETRY_RUN_TASK_TOPIC_ARN   = aws_sns_topic.notifications.arn
      RETRY_RUN_TASK_MESSAGES    = var.messages
      RETRY_RUN_TASK_TIME_ZONE   = var.time_zone
      RETRY_RUN_TASK_PROFILE     = var.command_profile
      RETRY_RUN_TASK_RUNBOOK_URL = var.runbook_url
      RETRY_RUN_TASK_REGIONS     = join(",", var.regions)
      RETRY_RUN_TASK_ACCOUNTS    = join(",", var.member_accounts)
      RETRY_RUN_TASK_EXTERNAL_ID = var.member_external_id
      RETRY_RUN_TASK_ROLE_PATH   = var.role_path
    }
  }

  dynamic "vpc_config" {
    for_each = local.has_vpc ? [1] : []

    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  depends_on = [aws_iam_role_policy_attachment.audit]
}

resource "aws_lambda_function_event_invoke_config" "audit" {
  count = local.audits ? 1 : 0

  function_name                = aws_lambda_function.audit[0].function_name
  qualifier                    = "$LATEST"
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600
}

resource "aws_cloudwatch_event_rule" "audit" {
  count = local.audits ? 1 : 0

  name                = "${var.name}-audit"
  description         = "Once a day, the audit."
  schedule_expression = var.audit_schedule
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "audit" {
  count = local.audits ? 1 : 0

  rule      = aws_cloudwatch_event_rule.audit[0].name
  target_id = "audit"
  arn       = aws_lambda_function.audit[0].arn

  retry_policy {
    maximum_retry_attempts       = 185
    maximum_event_age_in_seconds = 86400
  }
}

resource "aws_lambda_permission" "audit" {
  count = local.audits ? 1 : 0

  function_name  = aws_lambda_function.audit[0].function_name
  action         = "lambda:InvokeFunction"
  principal      = "events.amazonaws.com"
  source_arn     = aws_cloudwatch_event_rule.audit[0].arn
  source_account = local.account
}

# What the function failed on three times, or had no room for in six hours; or what EventBridge could not deliver.
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
resource "aws_cloudwatch_metric_alarm" "not_audited" {
  count = local.audits ? 1 : 0

  alarm_name          = "${var.name}-not-audited"
  alarm_description   = "The daily audit failed, so missing runs may go unnoticed. ${var.runbook_url}#not-audited"
  tags                = var.tags
  alarm_actions       = [aws_sns_topic.notifications.arn]
  treat_missing_data  = "notBreaching"
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"

  metric_query {
    id          = "total"
    label       = "audits that failed"
    expression  = "FILL(dropped, 0) + FILL(undelivered, 0)"
    return_data = true
  }

  metric_query {
    id = "dropped"

    metric {
      namespace   = "AWS/Lambda"
      metric_name = "AsyncEventsDropped"
      dimensions  = { FunctionName = aws_lambda_function.audit[0].function_name }
      stat        = "Sum"
      period      = 300
    }
  }

  metric_query {
    id = "undelivered"

    metric {
      namespace   = "AWS/Events"
      metric_name = "FailedInvocations"
      dimensions  = { RuleName = aws_cloudwatch_event_rule.audit[0].name }
      stat        = "Sum"
      period      = 300
    }
  }
}
