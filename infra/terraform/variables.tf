# The parameters of ../template.yaml, with the same meaning and defaults; first what CloudFormation knows by itself.

variable "name" {
  description = "Name of this installation; every other name begins with it. CloudFormation's is the stack's name."
  type        = string
  default     = "retry-run-task"

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,49}$", var.name))
    error_message = "The name must be 1 to 50 letters, digits and hyphens, and begin with a letter."
  }
}

variable "package_path" {
  description = "The zip that `make bundle` builds. If null, build/lambda.zip beside this repository's infra/."
  type        = string
  default     = null
}

# The one variable of the template without a default: what may be started cannot be guessed.
variable "task_definitions" {
  description = "Families of the task definitions to recover, such as nightly or report-*. They are the scope of intake and the permission of recover."
  type        = list(string)

  validation {
    condition     = length(var.task_definitions) > 0 && alltrue([for f in var.task_definitions : can(regex("^[a-zA-Z0-9_*?-]{1,255}$", f))])
    error_message = "Name families of task definitions: no revision, no ARN."
  }
}

variable "clusters" {
  description = "Names of the clusters that tasks may be started on; * and ? are allowed."
  type        = list(string)
  default     = ["default"]

  validation {
    condition     = length(var.clusters) > 0 && alltrue([for c in var.clusters : can(regex("^[a-zA-Z0-9_*?-]{1,255}$", c))])
    error_message = "Name clusters: no ARN."
  }
}

variable "pass_role_arns" {
  description = "ARNs of the task roles and execution roles of those task definitions; * and ? are allowed in a name, but not first. If empty, only tasks without roles can be started."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.pass_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/([a-zA-Z0-9+=.@_-]+/)*[a-zA-Z0-9+=.@_-][a-zA-Z0-9+=.@_*?-]{0,63}$", a))])
    error_message = "Give ARNs of roles; * and ? are allowed in a name, but not first."
  }
}

variable "callers" {
  description = "Callers whose failed calls are recovered: some of rule, scheduler, hand-made (a record without a caller, written to the log group to try the system out) and other (SDK, AWS CLI, console)."
  type        = list(string)
  default     = ["rule", "scheduler", "hand-made"]

  validation {
    condition     = length(var.callers) > 0 && alltrue([for c in var.callers : contains(["rule", "scheduler", "hand-made", "other"], c)])
    error_message = "Callers are rule, scheduler, hand-made and other."
  }
}

variable "also_recover" {
  description = "What else is recovered: calls that raised an error, once EventBridge has stopped retrying them (denied calls never are); tasks that Spot stopped, even while they were running. One of nothing, errors, spot-interruptions, errors-and-spot-interruptions."
  type        = string
  default     = "nothing"

  validation {
    condition     = contains(["nothing", "errors", "spot-interruptions", "errors-and-spot-interruptions"], var.also_recover)
    error_message = "Say nothing, errors, spot-interruptions or errors-and-spot-interruptions."
  }
}

variable "stop_hanging_tasks" {
  description = "Whether recover may stop tasks of these clusters: needed for the policy's stop-hanging, which stops and replaces a placed task that does not start."
  type        = bool
  default     = false
}

variable "read_rules" {
  description = "EventBridge rules that recover may read, with their inputs: names, or bus/name if the bus is not the default one; * and ? are allowed. They contain what CloudTrail redacts, and the next due time. If empty, it may read none."
  type        = list(string)
  default     = ["*"]

  validation {
    condition     = alltrue([for r in var.read_rules : can(regex("^([a-zA-Z0-9._*?-]{1,256}(/[a-zA-Z0-9._*?-]{1,256}){0,4})?$", r))])
    error_message = "Give names of rules, or bus/name."
  }
}

variable "read_schedules" {
  description = "The same for EventBridge Scheduler's schedules, each as group/name, such as default/nightly."
  type        = list(string)
  default     = ["*"]

  validation {
    condition     = alltrue([for s in var.read_schedules : can(regex("^([*]|[a-zA-Z0-9._*?-]{1,64}/[a-zA-Z0-9._*?-]{1,64})?$", s))])
    error_message = "Give schedules, each as group/name, or *."
  }
}

variable "trail_log_group_name" {
  description = "Log group that the trail writes to, in this account and Region. If empty, failures arrive only through EventBridge, which also needs a trail."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-zA-Z0-9_/.#-]{0,512}$", var.trail_log_group_name))
    error_message = "Give the name of a log group, not its ARN."
  }
}

variable "trail_silent_hours" {
  description = "An alarm fires if the log group has had no RunTask of a rule or schedule for this many hours, 168 at most; choose more than the longest time between two runs. It is on until the first one. If empty, there is no such alarm."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([1-9]|[1-9][0-9]|1[0-5][0-9]|16[0-8])?$", var.trail_silent_hours))
    error_message = "Give a number from 1 to 168, or nothing."
  }
}

variable "regions" {
  description = "Regions whose failed calls are recovered, each in its own Region. If empty, only the provider's; if not, name that one, too. A trail for all Regions writes their records to the one log group."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for r in var.regions : can(regex("^([a-z]{2,}(-[a-z]+)+-[0-9]{1,2})?$", r))])
    error_message = "Give names of Regions, such as ap-northeast-1."
  }
}

variable "member_accounts" {
  description = "Ids of the other accounts whose failed calls are recovered, each in its own account. Each needs the role in modules/member. An organisation's trail writes their records to the one log group."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.member_accounts : can(regex("^([0-9]{12})?$", a))])
    error_message = "Give ids of accounts, 12 digits each."
  }
}

variable "member_external_id" {
  description = "External id with which recover assumes the role in those accounts, the same as in modules/member. It is not a secret; choose your own, such as a random one."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-zA-Z0-9+=,.@:/_-]{2,64})?$", var.member_external_id))
    error_message = "Give 2 to 64 letters, digits and +=,.@:/_-, or nothing."
  }

  validation {
    condition     = length(var.member_accounts) == 0 || var.member_external_id != ""
    error_message = "With member_accounts, member_external_id has to be given."
  }
}

variable "notification_email" {
  description = "E-mail address for messages and alarms; AWS asks it to confirm. If empty, subscribe to the topic yourself."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([^@ ,]+@[^@ ,]+)?$", var.notification_email))
    error_message = "Give one e-mail address, or none."
  }
}

variable "messages" {
  description = "How messages are sent: text, or chat (also a form for Slack and Microsoft Teams, through Amazon Q Developer in chat applications); then en, or ja for Japanese; then recovered, for messages of successes too. Such as chat,ja,recovered."
  type        = string
  default     = "text,en"

  validation {
    condition     = can(regex("^(text|chat),(en|ja)(,recovered)?$", var.messages))
    error_message = "Say text or chat, then en or ja, then recovered or nothing, with commas between them."
  }
}

variable "time_zone" {
  description = "Time zone for times in messages, beside UTC: a name of the IANA database such as Asia/Tokyo. If empty, English messages have UTC alone and Japanese ones Japan's time."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_+/-]{1,32})?$", var.time_zone))
    error_message = "Give the name of a time zone such as Asia/Tokyo, or nothing."
  }
}

variable "command_profile" {
  description = "Profile of the AWS CLI that the commands in messages name, such as operator. If empty, they name none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9][A-Za-z0-9 ._/:=+,-]{0,31})?$", var.command_profile))
    error_message = "Give the name of a profile, at most 32 letters, digits, blanks and ._/:=+,-, or nothing."
  }
}

variable "runbook_url" {
  description = "Address of the runbook; every message and every alarm's description links to its section."
  type        = string
  default     = "docs/runbook.md"

  validation {
    condition     = can(regex("^[^ #]{1,100}$", var.runbook_url))
    error_message = "Give an address or a path, without the part after #."
  }
}

variable "audit_schedule" {
  description = "When to check, every day, for runs that were due and did not happen: minute and hour in UTC, such as cron(0 22 * * ? *). A message reports what is missing, and what could not be read. If empty, there is no check."
  type        = string
  default     = "cron(0 22 * * ? *)"

  validation {
    condition     = can(regex("^(cron[(][0-5]?[0-9] ([01]?[0-9]|2[0-3]) [*] [*] [?] [*][)])?$", var.audit_schedule))
    error_message = "Give such as cron(0 22 * * ? *), or nothing."
  }
}

variable "recover_concurrency" {
  description = "How many recoveries may act at the same time, not counting waiting ones. If null, as many as the account allows, and none are reserved: needed in an account whose limit of concurrent executions is too small."
  type        = number
  default     = 10

  validation {
    condition     = var.recover_concurrency == null || try(var.recover_concurrency >= 1, false)
    error_message = "Give 1 or more, or null for no limit; 0 would mean that nothing is ever recovered."
  }
}

variable "log_retention_days" {
  description = "How long the functions' own logs are kept, in days."
  type        = number
  default     = 30
}

# For accounts in which a service control policy, or a reviewer, asks for it.

variable "permissions_boundary_arn" {
  description = "Managed policy that bounds what the roles may do. If empty, none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[a-zA-Z0-9+=,.@_/-]{1,640})?$", var.permissions_boundary_arn))
    error_message = "Give the ARN of a managed policy, or nothing."
  }
}

variable "role_path" {
  description = "Path of the roles and their policies, such as /batch/. modules/member has to have the same."
  type        = string
  default     = "/"

  validation {
    condition     = can(regex("^/([a-zA-Z0-9+=.@_-]{1,64}/){0,7}$", var.role_path))
    error_message = "Give a path that begins and ends with a slash, such as /batch/."
  }
}

variable "subnet_ids" {
  description = "Subnets that the functions run in. They must reach the APIs of Lambda, ECS, EventBridge, EventBridge Scheduler and SNS (and STS, for other accounts): through a NAT gateway or endpoints. If empty, the functions are in no VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for s in var.subnet_ids : can(regex("^(subnet-[0-9a-f]{8,17})?$", s))])
    error_message = "Give ids of subnets."
  }
}

variable "security_group_ids" {
  description = "Security groups of the functions there; they must allow outbound HTTPS."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for s in var.security_group_ids : can(regex("^(sg-[0-9a-f]{8,17})?$", s))])
    error_message = "Give ids of security groups."
  }

  validation {
    condition     = (length(var.subnet_ids) == 0) == (length(var.security_group_ids) == 0)
    error_message = "subnet_ids and security_group_ids go together; give both or neither."
  }
}

variable "data_key_arn" {
  description = "Your KMS key for the log groups, the queues and the functions' environment. docs/install.md has the key policy that it needs. If empty, AWS's own keys are used."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]{1,40})?$", var.data_key_arn))
    error_message = "Give the ARN of a key, not an alias, or nothing."
  }
}

variable "topic_key_arn" {
  description = "Your KMS key that encrypts the topic. Its key policy must allow cloudwatch.amazonaws.com to use it (kms:Decrypt, kms:GenerateDataKey*), or alarms are not delivered. If empty, the topic has no key."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+)?$", var.topic_key_arn))
    error_message = "Give the ARN of a key, not an alias, or nothing."
  }
}

variable "schedule_key_arns" {
  description = "Your KMS keys that encrypt schedules and event buses. recover reads what CloudTrail redacts, and the next due time."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.schedule_key_arns : can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+)?$", a))])
    error_message = "Give ARNs of keys, no aliases."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags. CloudFormation takes them from the stack's."
  type        = map(string)
  default     = {}
}
