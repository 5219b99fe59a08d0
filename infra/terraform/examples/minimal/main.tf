# One job on the default cluster, seen through EventBridge only.

module "retry_run_task" {
  source = "../.."

  task_definitions = ["nightly"]
  pass_role_arns   = ["arn:aws:iam::123456789012:role/ecsTaskExecutionRole"]
}
