# The outputs of ../template.yaml.

output "version" {
  description = "Version of retry-run-task that this module belongs to."
  value       = "0.1.0"
}

output "intake_function" {
  description = "Name of the function that failures are handed to."
  value       = aws_lambda_function.intake.function_name
}

output "recover_function" {
  description = "Name of the durable function that recoveries are executions of."
  value       = aws_lambda_function.recover.function_name
}

output "recover_alias" {
  description = "ARN, with the alias, that new recoveries are started by."
  value       = aws_lambda_alias.live.arn
}

output "recover_version" {
  description = "Number of the version that new recoveries begin with."
  value       = aws_lambda_alias.live.function_version
}

output "recover_role" {
  description = "ARN of the role that RunTask is called under."
  value       = aws_iam_role.recover.arn
}

output "trail_log_group" {
  description = "Log group that the filter is on; null without one."
  value       = local.has_trail_log_group ? var.trail_log_group_name : null
}

output "trail_filter" {
  description = "Name of the subscription filter on it; null without one."
  value       = local.has_trail_log_group ? local.filter_name : null
}

output "failed_calls_rule" {
  description = "Name of the EventBridge rule on the same records."
  value       = aws_cloudwatch_event_rule.failed_calls.name
}

output "failed_starts_rule" {
  description = "Name of the EventBridge rule on tasks that did not start."
  value       = aws_cloudwatch_event_rule.failed_starts.name
}

output "topic" {
  description = "ARN of the topic that people are told through."
  value       = aws_sns_topic.notifications.arn
}

output "intake_dead_letters" {
  description = "URL of the queue of what never became a recovery."
  value       = aws_sqs_queue.intake_dead_letters.url
}

output "recover_dead_letters" {
  description = "URL of the queue of the launches that recoveries gave up on."
  value       = aws_sqs_queue.recover_dead_letters.url
}

output "intake_log_group" {
  description = "Log group of intake."
  value       = aws_cloudwatch_log_group.intake.name
}

output "recover_log_group" {
  description = "Log group of recover."
  value       = aws_cloudwatch_log_group.recover.name
}

output "dashboard_url" {
  description = "Dashboard of the stack."
  value       = "https://${local.region}.${local.console}/cloudwatch/home?region=${local.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

locals {
  # https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
  console = {
    aws        = "console.aws.amazon.com"
    aws-cn     = "console.amazonaws.cn"
    aws-us-gov = "console.amazonaws-us-gov.com"
    aws-eusc   = "console.amazonaws-eusc.eu"
  }[local.partition]
}
