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
  description = "Families of the task definitions that may be started again, such as nightly or report-*. They are the scope of intake and the permission of recover."
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
  description = "ARNs of the task roles and execution roles of those task definitions. If empty, only tasks without roles can be started."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.pass_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[a-zA-Z0-9+=.@_/-]{1,575}$", a))])
    error_message = "Give ARNs of roles, each in full."
  }
}

variable "callers" {
  description = "Whose failed calls are made again: some of rule, scheduler, hand-made (a record without a caller, written to the log group to try the system out) and other (SDK, AWS CLI, console)."
  type        = list(string)
  default     = ["rule", "scheduler", "hand-made"]

  validation {
    condition     = length(var.callers) > 0 && alltrue([for c in var.callers : contains(["rule", "scheduler", "hand-made", "other"], c)])
    error_message = "Callers are rule, scheduler, hand-made and other."
  }
}

variable "also_recover" {
  description = "What else is made good: calls that raised an error, once EventBridge has stopped repeating them (a denied call never is); tasks that Spot took away, also if they had begun to work. One of nothing, errors, spot-interruptions, errors-and-spot-interruptions."
  type        = string
  default     = "nothing"

  validation {
    condition     = contains(["nothing", "errors", "spot-interruptions", "errors-and-spot-interruptions"], var.also_recover)
    error_message = "Say nothing, errors, spot-interruptions or errors-and-spot-interruptions."
  }
}

variable "trail_log_group_name" {
  description = "Log group that the trail writes to, in this account and Region. If empty, failures come through EventBridge only, which also needs a trail."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-zA-Z0-9_/.#-]{0,512}$", var.trail_log_group_name))
    error_message = "Give the name of a log group, not its ARN."
  }
}

variable "regions" {
  description = "Regions whose failed calls are made again, each in its own. If empty, only the provider's; if not, name that one, too. A trail for all Regions writes their records to the one log group."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for r in var.regions : can(regex("^([a-z]{2,}(-[a-z]+)+-[0-9]{1,2})?$", r))])
    error_message = "Give names of Regions, such as ap-northeast-1."
  }
}

variable "member_accounts" {
  description = "Ids of the other accounts whose failed calls are made again, each in its own. Each needs the role that modules/member makes. An organisation's trail writes their records to the one log group."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.member_accounts : can(regex("^([0-9]{12})?$", a))])
    error_message = "Give ids of accounts, 12 digits each."
  }
}

variable "member_external_id" {
  description = "What recover says to take the role in those accounts, the same as in modules/member. It is not a secret; make it one of your own, such as a random one."
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
  description = "Who is told of recoveries that gave up, and of alarms; AWS asks them to confirm. If empty, nobody is: subscribe to the topic yourself."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([^@ ,]+@[^@ ,]+)?$", var.notification_email))
    error_message = "Give one e-mail address, or none."
  }
}

variable "notify_recovered" {
  description = "Whether a person is also told when a recovery succeeds."
  type        = bool
  default     = false
}

variable "topic_key_arn" {
  description = "Key of your own (KMS) that encrypts the topic. Its key policy has to let cloudwatch.amazonaws.com use it (kms:Decrypt, kms:GenerateDataKey*), or alarms reach nobody. If empty, the topic has no key."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+)?$", var.topic_key_arn))
    error_message = "Give the ARN of a key, not an alias, or nothing."
  }
}

variable "runbook_url" {
  description = "Where the runbook can be read; the description of every alarm links to its section there."
  type        = string
  default     = "docs/runbook.md"

  validation {
    condition     = can(regex("^[^ #]{1,512}$", var.runbook_url))
    error_message = "Give an address or a path, without the part after #."
  }
}

variable "recover_concurrency" {
  description = "How many recoveries may act at the same moment (waiting ones do not count). If null, as many as the account allows, and none are reserved: needed in an account whose limit of concurrent executions is too small."
  type        = number
  default     = 5

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
