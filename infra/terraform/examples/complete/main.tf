# Every variable, and the log group of a trail as a second event source.

module "retry_run_task" {
  source = "../.."

  name         = "retry-batch"
  package_path = "${path.module}/../../../../build/lambda.zip"

  task_definitions = ["nightly", "report-*"]
  clusters         = ["batch", "batch-spot"]
  pass_role_arns = [
    "arn:aws:iam::123456789012:role/batch-task",
    "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
  ]
  callers      = ["rule", "scheduler"]
  also_recover = "errors"

  stop_hanging_tasks = true

  read_rules     = ["nightly", "reports/report-*"]
  read_schedules = ["default/nightly"]

  trail_log_group_name = "aws-cloudtrail-logs"
  trail_silent_hours   = "26"
  regions              = ["ap-northeast-1", "ap-northeast-3"]
  member_accounts      = ["210987654321"]
  member_external_id   = "night-shift-7f3a"

  notification_email = "on-call@example.com"
  messages           = "chat,ja,recovered"
  time_zone          = "Asia/Tokyo"
  command_profile    = "operator"
  runbook_url        = "https://wiki.example.com/retry-run-task/runbook"
  audit_schedule     = "cron(0 22 * * ? *)"

  recover_concurrency = 4
  log_retention_days  = 90

  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  role_path                = "/batch/"
  subnet_ids               = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  security_group_ids       = ["sg-0123456789abcdef0"]
  data_key_arn             = "arn:aws:kms:ap-northeast-1:123456789012:key/2345bcde-12ab-34cd-56ef-1234567890ab"
  topic_key_arn            = "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  schedule_key_arns        = ["arn:aws:kms:ap-northeast-1:123456789012:key/3456cdef-12ab-34cd-56ef-1234567890ab"]
  tags                     = { CostCenter = "4711" }
}

output "dashboard_url" {
  description = "Dashboard of the stack."
  value       = module.retry_run_task.dashboard_url
}
