output "version" {
  description = "Version of retry-run-task that this module belongs to."
  value       = "0.1.0"
}

output "role" {
  description = "ARN of the role that recover takes."
  value       = aws_iam_role.member.arn
}
