# The same alarms as in ../template.yaml. Each is over by itself when what it counts has stopped; what to do is in the
# runbook.

locals {
  alarm = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-"

  # One metric each, and the alarm fires at the first count.
  alarms = {
    "filter-delivery" = {
      sentence  = "CloudWatch Logs could not deliver records of failed calls to intake."
      namespace = "AWS/Logs"
      metric    = "DeliveryErrors"
      statistic = "Sum"
      dimensions = {
        LogGroupName    = var.trail_log_group_name
        DestinationType = "Lambda"
        FilterName      = local.filter_name
      }
    }
    "rule-delivery" = {
      sentence  = "EventBridge could not deliver records of failed calls to intake."
      namespace = "AWS/Events"
      metric    = "FailedInvocations"
      statistic = "Sum"
      dimensions = {
        RuleName = aws_cloudwatch_event_rule.failed_calls.name
      }
    }
    "start-rule-delivery" = {
      sentence  = "EventBridge could not deliver tasks that did not start to intake."
      namespace = "AWS/Events"
      metric    = "FailedInvocations"
      statistic = "Sum"
      dimensions = {
        RuleName = aws_cloudwatch_event_rule.failed_starts.name
      }
    }
    "intake-throttles" = {
      sentence  = "Lambda throttles intake, so failed calls wait."
      namespace = "AWS/Lambda"
      metric    = "Throttles"
      statistic = "Sum"
      dimensions = {
        FunctionName = aws_lambda_function.intake.function_name
      }
    }
    "intake-errors" = {
      sentence  = "Intake failed, so some failed calls may have no recovery yet."
      namespace = "AWS/Lambda"
      metric    = "Errors"
      statistic = "Sum"
      dimensions = {
        FunctionName = aws_lambda_function.intake.function_name
      }
    }
    "unparsed" = {
      sentence  = "Records that may be failed calls could not be read, so they are not recovered."
      namespace = "retry-run-task"
      metric    = "Unparsed"
      statistic = "Sum"
      dimensions = {
        service = var.name
      }
    }
    "not-started" = {
      sentence  = "Recoveries could not be started; their events are delivered again."
      namespace = "retry-run-task"
      metric    = "NotStarted"
      statistic = "Sum"
      dimensions = {
        service = var.name
      }
    }
    "dead-letters" = {
      sentence  = "Failed calls that never became a recovery are in the dead-letter queue."
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      statistic = "Maximum"
      dimensions = {
        QueueName = aws_sqs_queue.intake_dead_letters.name
      }
    }
    "recover-errors" = {
      sentence  = "The recover function crashed or ran out of time or memory; Lambda runs it again."
      namespace = "AWS/Lambda"
      metric    = "Errors"
      statistic = "Sum"
      dimensions = {
        FunctionName = aws_lambda_function.recover.function_name
      }
    }
    "unknown-reasons" = {
      sentence  = "ECS gave a reason that the classification table does not know."
      namespace = "retry-run-task"
      metric    = "UnknownReasons"
      statistic = "Sum"
      dimensions = {
        service = var.name
      }
    }
    "timed-out" = {
      sentence  = "Recoveries were still in progress after seven days and were ended."
      namespace = "AWS/Lambda"
      metric    = "DurableExecutionTimedOut"
      statistic = "Sum"
      dimensions = {
        FunctionName = aws_lambda_function.recover.function_name
      }
    }
    "not-notified" = {
      sentence  = "The topic did not accept a message."
      namespace = "retry-run-task"
      metric    = "NotNotified"
      statistic = "Sum"
      dimensions = {
        service = var.name
      }
    }
  }

  # Give-ups are counted by category only, so the categories are added up.
  categories = ["capacity", "throttle", "transient", "unknown", "configuration", "permission"]
  gave_up    = join(" + ", [for category in local.categories : "FILL(${category}, 0)"])
}

# Missing data is what it looks for.
resource "aws_cloudwatch_metric_alarm" "trail_silent" {
  count = local.watches_trail ? 1 : 0

  alarm_name          = "${var.name}-trail-silent"
  alarm_description   = "The log group has shown no RunTask of a rule or schedule for longer than any schedule allows. ${var.runbook_url}#trail-silent"
  tags                = var.tags
  alarm_actions       = [aws_sns_topic.notifications.arn]
  treat_missing_data  = "breaching"
  namespace           = "retry-run-task/${var.name}"
  metric_name         = "ScheduledCalls"
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = tonumber(var.trail_silent_hours)
  threshold           = 1
  comparison_operator = "LessThanThreshold"
}

resource "aws_cloudwatch_metric_alarm" "counted" {
  for_each = { for name, alarm in local.alarms : name => alarm if name != "filter-delivery" || local.has_trail_log_group }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.sentence} ${var.runbook_url}#${each.key}"
  tags                = var.tags
  alarm_actions       = [aws_sns_topic.notifications.arn]
  treat_missing_data  = "notBreaching"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
}

resource "aws_cloudwatch_metric_alarm" "gave_up" {
  alarm_name          = "${var.name}-gave-up"
  alarm_description   = "Recoveries ended without their tasks: read the message that says why. ${var.runbook_url}#gave-up"
  tags                = var.tags
  alarm_actions       = [aws_sns_topic.notifications.arn]
  treat_missing_data  = "notBreaching"
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"

  metric_query {
    id          = "total"
    label       = "GaveUp"
    expression  = local.gave_up
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.categories

    content {
      id = metric_query.value

      metric {
        namespace   = "retry-run-task"
        metric_name = "GaveUp"
        dimensions  = { service = var.name, category = metric_query.value }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}

# A recovery that gives up ends as FAILED and has sent a message. One that FAILED without giving up has sent none.
resource "aws_cloudwatch_metric_alarm" "broke" {
  alarm_name          = "${var.name}-broke"
  alarm_description   = "Recoveries failed without a message about their launches. ${var.runbook_url}#broke"
  tags                = var.tags
  alarm_actions       = [aws_sns_topic.notifications.arn]
  treat_missing_data  = "notBreaching"
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"

  metric_query {
    id          = "broke"
    label       = "FAILED without giving up"
    expression  = "FILL(failed, 0) - (${local.gave_up})"
    return_data = true
  }

  metric_query {
    id = "failed"

    metric {
      namespace   = "AWS/Lambda"
      metric_name = "DurableExecutionFailed"
      dimensions  = { FunctionName = aws_lambda_function.recover.function_name }
      stat        = "Sum"
      period      = 3600
    }
  }

  dynamic "metric_query" {
    for_each = local.categories

    content {
      id = metric_query.value

      metric {
        namespace   = "retry-run-task"
        metric_name = "GaveUp"
        dimensions  = { service = var.name, category = metric_query.value }
        stat        = "Sum"
        period      = 3600
      }
    }
  }
}
