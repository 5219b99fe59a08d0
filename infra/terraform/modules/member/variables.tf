# The parameters of ../../../member.yaml, with the same meaning and defaults.

variable "hub_account" {
  description = "Id of the account that the stack of template.yaml, or the module, is in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.hub_account))
    error_message = "Give the id of an account, 12 digits."
  }
}

variable "hub_name" {
  description = "Name of that stack."
  type        = string
  default     = "retry-run-task"

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,49}$", var.hub_name))
    error_message = "Give the name of a stack with at most 50 characters."
  }
}

variable "external_id" {
  description = "MemberExternalId of that stack."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9+=,.@:/_-]{2,64}$", var.external_id))
    error_message = "Give 2 to 64 letters, digits and +=,.@:/_-."
  }
}

variable "task_definitions" {
  description = "Families of this account's task definitions to recover, such as nightly or report-*. That stack must name them too."
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

variable "pass_roles" {
  description = "Names of the task roles and execution roles of those task definitions, each with its path if it has one; * and ? are allowed in a name, but not first. If empty, only tasks without roles can be started."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for r in var.pass_roles : can(regex("^(([a-zA-Z0-9+=.@_-]+/)*[a-zA-Z0-9+=.@_-][a-zA-Z0-9+=.@_*?-]{0,63})?$", r))])
    error_message = "Name roles: no ARN, and no * or ? first."
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

variable "regions" {
  description = "Regions in which tasks may be started again. If empty, only the provider's."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for r in var.regions : can(regex("^([a-z]{2,}(-[a-z]+)+-[0-9]{1,2})?$", r))])
    error_message = "Give names of Regions, such as ap-northeast-1."
  }
}

variable "audit" {
  description = "Whether that account may look here, with a role that only reads: its daily audit for missing runs, and whoever may assume the role there for the commands. It reads every rule, schedule and task definition with its values, recorded calls and tasks."
  type        = bool
  default     = true
}

variable "permissions_boundary_arn" {
  description = "Managed policy of this account that bounds what the role may do. If empty, none does."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[a-zA-Z0-9+=,.@_/-]{1,640})?$", var.permissions_boundary_arn))
    error_message = "Give the ARN of a managed policy, or nothing."
  }
}

variable "role_path" {
  description = "Path of the role and its policy, such as /batch/, the same as of that stack."
  type        = string
  default     = "/"

  validation {
    condition     = can(regex("^/([a-zA-Z0-9+=.@_-]{1,64}/){0,7}$", var.role_path))
    error_message = "Give a path that begins and ends with a slash, such as /batch/."
  }
}

variable "schedule_key_arns" {
  description = "Keys (KMS) that schedules and event buses of this account are encrypted with."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.schedule_key_arns : can(regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+)?$", a))])
    error_message = "Give ARNs of keys, no aliases."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
