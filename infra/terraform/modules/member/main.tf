# The role by which recover, in another account, makes failed calls of this one again: the same as ../../../member.yaml,
# where the reasons are.

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  ecs       = "arn:${local.partition}:ecs:*:${local.account}"
  hub       = "arn:${local.partition}:iam::${var.hub_account}"
  regions   = length(var.regions) > 0 ? var.regions : [data.aws_region.current.region]
}

data "aws_iam_policy_document" "member" {
  # Needed where the failed call had tags, or tags propagated; and then only while RunTask makes the task.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html
  statement {
    sid       = "TagWhatIsStarted"
    actions   = ["ecs:TagResource"]
    resources = [for cluster in var.clusters : "${local.ecs}:task/${cluster}/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  # Tasks that already do this launch's work, and the state of those just started. ListTasks has no resource here; the
  # condition limits it to the clusters.
  # https://github.com/cdklabs/construct-hub/pull/1207
  statement {
    #checkov:skip=CKV_AWS_356:AWS takes * here, and the condition limits it to the clusters.
    sid       = "LookForTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }

    condition {
      test     = "ArnLike"
      variable = "ecs:cluster"
      values   = [for cluster in var.clusters : "${local.ecs}:cluster/${cluster}"]
    }
  }

  statement {
    sid       = "LookAtTasks"
    actions   = ["ecs:DescribeTasks"]
    resources = [for cluster in var.clusters : "${local.ecs}:task/${cluster}/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  # Only where the policy's stop-hanging is to work. IAM cannot tell recoveries' tasks from others; recover can.
  dynamic "statement" {
    for_each = var.stop_hanging_tasks ? [true] : []

    content {
      sid       = "StopTasksThatHang"
      actions   = ["ecs:StopTask"]
      resources = [for cluster in var.clusters : "${local.ecs}:task/${cluster}/*"]

      condition {
        test     = "StringEquals"
        variable = "aws:RequestedRegion"
        values   = local.regions
      }
    }
  }

  # Find the rule or schedule that made the call: it has the redacted values and the next due time. These three actions
  # have no resource types.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
  statement {
    sid       = "FindTheSchedule"
    actions   = ["events:ListEventBuses", "events:ListRuleNamesByTarget", "scheduler:ListSchedules"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }
}

resource "aws_iam_policy" "member" {
  name        = "${var.hub_name}-member-policy"
  path        = var.role_path
  description = "What recover of retry-run-task may do in this account."
  policy      = data.aws_iam_policy_document.member.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "member" {
  role       = aws_iam_role.member.name
  policy_arn = aws_iam_policy.member.arn
}

# What grows with the jobs is in policies of its own, as in ../../iam.tf: as many names are in each as fit if all
# were as long as the longest one.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
locals {
  run_room  = 5500 - sum([for cluster in var.clusters : length(cluster) + 50]) - 20 * length(var.regions)
  run_most  = max(1, floor(local.run_room / (max([for family in var.task_definitions : length(family)]...) + 62)))
  pass_most = max(1, floor(5900 / (max(0, [for role in var.pass_roles : length(role)]...) + 42)))

  run_lists  = chunklist(var.task_definitions, local.run_most)
  pass_lists = chunklist(var.pass_roles, local.pass_most)

  read_arns = concat(
    [for rule in var.read_rules : "arn:${local.partition}:events:*:${local.account}:rule/${rule}"],
    [for schedule in var.read_schedules : "arn:${local.partition}:scheduler:*:${local.account}:schedule/${schedule}"],
  )
  read_room  = 5000 - 60 * length(var.regions)
  read_most  = max(1, floor(local.read_room / (max(0, [for arn in local.read_arns : length(arn)]...) + 3)))
  read_lists = length(local.read_arns) > 0 ? chunklist(local.read_arns, local.read_most) : [[]]
}

data "aws_iam_policy_document" "member_run" {
  count = length(local.run_lists)

  statement {
    sid       = "MakeFailedCallsAgain"
    actions   = ["ecs:RunTask"]
    resources = [for family in local.run_lists[count.index] : "${local.ecs}:task-definition/${family}:*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }

    condition {
      test     = "ArnLike"
      variable = "ecs:cluster"
      values   = [for cluster in var.clusters : "${local.ecs}:cluster/${cluster}"]
    }
  }
}

resource "aws_iam_policy" "member_run" {
  count = length(local.run_lists)

  name        = "${var.hub_name}-member-run-policy${count.index > 0 ? "-${count.index + 1}" : ""}"
  path        = var.role_path
  description = "What recover of retry-run-task may start in this account."
  policy      = data.aws_iam_policy_document.member_run[count.index].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "member_run" {
  count = length(local.run_lists)

  role       = aws_iam_role.member.name
  policy_arn = aws_iam_policy.member_run[count.index].arn
}

data "aws_iam_policy_document" "member_pass" {
  count = length(local.pass_lists)

  statement {
    sid       = "PassTheRolesOfTheTasks"
    actions   = ["iam:PassRole"]
    resources = [for role in local.pass_lists[count.index] : "arn:${local.partition}:iam::${local.account}:role/${role}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "member_pass" {
  count = length(local.pass_lists)

  name        = "${var.hub_name}-member-pass-policy${count.index > 0 ? "-${count.index + 1}" : ""}"
  path        = var.role_path
  description = "The roles of this account that recover of retry-run-task may give to tasks."
  policy      = data.aws_iam_policy_document.member_pass[count.index].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "member_pass" {
  count = length(local.pass_lists)

  role       = aws_iam_role.member.name
  policy_arn = aws_iam_policy.member_pass[count.index].arn
}

data "aws_iam_policy_document" "member_reads" {
  count = length(local.read_lists)

  dynamic "statement" {
    for_each = anytrue([for arn in local.read_lists[count.index] : strcontains(arn, ":events:")]) ? [1] : []

    content {
      sid       = "ReadTheRules"
      actions   = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]
      resources = [for arn in local.read_lists[count.index] : arn if strcontains(arn, ":events:")]

      condition {
        test     = "StringEquals"
        variable = "aws:RequestedRegion"
        values   = local.regions
      }
    }
  }

  dynamic "statement" {
    for_each = anytrue([for arn in local.read_lists[count.index] : strcontains(arn, ":scheduler:")]) ? [1] : []

    content {
      sid       = "ReadTheSchedules"
      actions   = ["scheduler:GetSchedule"]
      resources = [for arn in local.read_lists[count.index] : arn if strcontains(arn, ":scheduler:")]

      condition {
        test     = "StringEquals"
        variable = "aws:RequestedRegion"
        values   = local.regions
      }
    }
  }

  dynamic "statement" {
    for_each = count.index == 0 ? [1] : []

    content {
      sid     = "ReadTags"
      actions = ["ecs:ListTagsForResource", "scheduler:ListTagsForResource"]
      resources = [
        "arn:${local.partition}:ecs:*:${local.account}:task-definition/*",
        "arn:${local.partition}:scheduler:*:${local.account}:schedule-group/*",
      ]

      condition {
        test     = "StringEquals"
        variable = "aws:RequestedRegion"
        values   = local.regions
      }
    }
  }
}

resource "aws_iam_policy" "member_reads" {
  count = length(local.read_lists)

  name        = "${var.hub_name}-member-reads-policy${count.index > 0 ? "-${count.index + 1}" : ""}"
  path        = var.role_path
  description = "What recover of retry-run-task may read of rules and schedules of this account."
  policy      = data.aws_iam_policy_document.member_reads[count.index].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "member_reads" {
  count = length(local.read_lists)

  role       = aws_iam_role.member.name
  policy_arn = aws_iam_policy.member_reads[count.index].arn
}

data "aws_iam_policy_document" "member_keys" {
  count = length(var.schedule_key_arns) > 0 ? 1 : 0

  # GetSchedule needs it of a schedule with a key, and every action on the rules of an event bus with one.
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
  statement {
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

resource "aws_iam_policy" "member_keys" {
  count = length(var.schedule_key_arns) > 0 ? 1 : 0

  name        = "${var.hub_name}-member-keys-policy"
  path        = var.role_path
  description = "What recover of retry-run-task may do with keys of this account."
  policy      = data.aws_iam_policy_document.member_keys[count.index].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "member_keys" {
  count = length(var.schedule_key_arns) > 0 ? 1 : 0

  role       = aws_iam_role.member.name
  policy_arn = aws_iam_policy.member_keys[count.index].arn
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "LetRecoverIn"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = ["${local.hub}:root"]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = ["${local.hub}:role${var.role_path}${var.hub_name}-role"]
    }
  }
}

resource "aws_iam_role" "member" {
  name                 = "${var.hub_name}-member"
  path                 = var.role_path
  description          = "What recover of retry-run-task takes to make failed calls of this account again."
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn != "" ? var.permissions_boundary_arn : null
  tags                 = var.tags
}

# Not the role above, so that the audit can start nothing.
data "aws_iam_policy_document" "member_audit" {
  count = var.audit ? 1 : 0

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
}

resource "aws_iam_policy" "member_audit" {
  count = var.audit ? 1 : 0

  name        = "${var.hub_name}-member-audit-policy"
  path        = var.role_path
  description = "What audit of retry-run-task may read in this account."
  policy      = data.aws_iam_policy_document.member_audit[0].json
  tags        = var.tags
}

# What the commands read beside that: task definitions, what patterns would match, and what a recovery would find.
data "aws_iam_policy_document" "member_look" {
  count = var.audit ? 1 : 0

  statement {
    #checkov:skip=CKV_AWS_356:AWS knows nothing finer for these.
    sid       = "FindWhatThereIs"
    actions   = ["ecs:DescribeTaskDefinition", "ecs:ListClusters", "ecs:ListTaskDefinitionFamilies", "events:ListRuleNamesByTarget"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  # IAM answers in one Region for all.
  statement {
    #checkov:skip=CKV_AWS_356:AWS knows nothing finer for it.
    sid       = "FindRoles"
    actions   = ["iam:ListRoles"]
    resources = ["*"]
  }

  statement {
    sid = "ReadWhatThereIs"
    actions = [
      "ecs:DescribeClusters",
      "ecs:ListTagsForResource",
      "events:DescribeRule",
      "events:ListTagsForResource",
      "scheduler:ListTagsForResource",
    ]
    resources = [
      "${local.ecs}:cluster/*",
      "${local.ecs}:task-definition/*",
      "arn:${local.partition}:events:*:${local.account}:rule/*",
      "arn:${local.partition}:scheduler:*:${local.account}:schedule-group/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }
}

resource "aws_iam_policy" "member_look" {
  count = var.audit ? 1 : 0

  name        = "${var.hub_name}-member-look-policy"
  path        = var.role_path
  description = "What doctor, deploy and other commands of retry-run-task may read in this account."
  policy      = data.aws_iam_policy_document.member_look[0].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "member_look" {
  count = var.audit ? 1 : 0

  role       = aws_iam_role.member_audit[0].name
  policy_arn = aws_iam_policy.member_look[0].arn
}

# The account's own policies say who of it may come in.
data "aws_iam_policy_document" "audit_trust" {
  statement {
    sid     = "LetLookersIn"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = ["${local.hub}:root"]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

resource "aws_iam_role" "member_audit" {
  count = var.audit ? 1 : 0

  name                 = "${var.hub_name}-member-audit"
  path                 = var.role_path
  description          = "What the audit and the commands of retry-run-task look into this account with."
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.audit_trust.json
  permissions_boundary = var.permissions_boundary_arn != "" ? var.permissions_boundary_arn : null
  tags                 = var.tags
}

resource "aws_iam_role_policy_attachment" "member_audit" {
  count = var.audit ? 1 : 0

  role       = aws_iam_role.member_audit[0].name
  policy_arn = aws_iam_policy.member_audit[0].arn
}
