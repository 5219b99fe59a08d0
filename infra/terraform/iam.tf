# What intake and recover may do: the same statements as in ../template.yaml. Terraform can put text around each item of a
# list, so here the ARNs have no wildcards but your own, and one for the Region, which a condition holds.

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "intake" {
  statement {
    sid       = "StartRecoveries"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live.arn]
  }

  statement {
    sid       = "KeepWhatCouldNotBeTakenIn"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.intake_dead_letters.arn]
  }

  dynamic "statement" {
    for_each = var.data_key_arn != "" ? [1] : []

    content {
      sid       = "EncryptWhatIsKept"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.data_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["sqs.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.intake.arn}:*"]
  }
}

resource "aws_iam_policy" "intake" {
  name        = "${var.name}-intake-policy"
  path        = var.role_path
  description = "What intake of retry-run-task may do."
  policy      = data.aws_iam_policy_document.intake.json
  tags        = var.tags
}

resource "aws_iam_role" "intake" {
  name                 = "${var.name}-intake-role"
  path                 = var.role_path
  description          = "What intake of retry-run-task runs under."
  assume_role_policy   = data.aws_iam_policy_document.lambda.json
  permissions_boundary = local.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy_attachment" "intake" {
  role       = aws_iam_role.intake.name
  policy_arn = aws_iam_policy.intake.arn
}

data "aws_iam_policy_document" "recover" {
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

  # The role of this name in these accounts; what it may do there, and for whom, that account decides.
  dynamic "statement" {
    for_each = length(var.member_accounts) > 0 ? [1] : []

    content {
      sid       = "EnterOtherAccounts"
      actions   = ["sts:AssumeRole"]
      resources = ["arn:${local.partition}:iam::*:role${var.role_path}${var.name}-member"]

      condition {
        test     = "StringEquals"
        variable = "aws:ResourceAccount"
        values   = var.member_accounts
      }
    }
  }

  statement {
    sid       = "TellAPerson"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.notifications.arn]
  }

  # By name and not by reference, since the function needs this policy to be there first.
  # https://docs.aws.amazon.com/lambda/latest/dg/durable-security.html
  statement {
    sid       = "RememberWhereRecoveriesAre"
    actions   = ["lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState"]
    resources = ["arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-recover:*"]
  }

  statement {
    sid     = "CountRecoveries"
    actions = ["lambda:ListDurableExecutionsByFunction"]
    resources = [
      "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-recover",
      "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-recover:*",
    ]
  }

  statement {
    sid       = "KeepWhatGaveUp"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.recover_dead_letters.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.recover.arn}:*"]
  }
}

resource "aws_iam_policy" "recover" {
  name        = "${var.name}-policy"
  path        = var.role_path
  description = "What recover of retry-run-task may do."
  policy      = data.aws_iam_policy_document.recover.json
  tags        = var.tags
}

resource "aws_iam_role" "recover" {
  name                 = "${var.name}-role"
  path                 = var.role_path
  description          = "What recover of retry-run-task runs under, and the caller that CloudTrail shows for its calls."
  assume_role_policy   = data.aws_iam_policy_document.lambda.json
  permissions_boundary = local.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy_attachment" "recover" {
  role       = aws_iam_role.recover.name
  policy_arn = aws_iam_policy.recover.arn
}

# What grows with the jobs is in policies of its own: a managed policy may have 6,144 characters without white space, and a
# role has ten of them unless AWS allows more. As many names are in each as fit if all were as long as the longest one.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
locals {
  run_room  = 5500 - sum([for cluster in var.clusters : length(cluster) + 50]) - 20 * length(var.regions)
  run_most  = max(1, floor(local.run_room / (max([for family in var.task_definitions : length(family)]...) + 62)))
  pass_most = max(1, floor(5900 / (max(0, [for arn in var.pass_role_arns : length(arn)]...) + 3)))

  run_lists  = chunklist(var.task_definitions, local.run_most)
  pass_lists = chunklist(var.pass_role_arns, local.pass_most)

  read_arns = concat(
    [for rule in var.read_rules : "arn:${local.partition}:events:*:${local.account}:rule/${rule}"],
    [for schedule in var.read_schedules : "arn:${local.partition}:scheduler:*:${local.account}:schedule/${schedule}"],
  )
  read_room  = 5000 - 60 * length(var.regions)
  read_most  = max(1, floor(local.read_room / (max(0, [for arn in local.read_arns : length(arn)]...) + 3)))
  read_lists = length(local.read_arns) > 0 ? chunklist(local.read_arns, local.read_most) : [[]]
}

data "aws_iam_policy_document" "recover_run" {
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

resource "aws_iam_policy" "recover_run" {
  count = length(local.run_lists)

  name        = "${var.name}-run-policy${count.index > 0 ? "-${count.index + 1}" : ""}"
  path        = var.role_path
  description = "What recover of retry-run-task may start."
  policy      = data.aws_iam_policy_document.recover_run[count.index].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "recover_run" {
  count = length(local.run_lists)

  role       = aws_iam_role.recover.name
  policy_arn = aws_iam_policy.recover_run[count.index].arn
}

data "aws_iam_policy_document" "recover_pass" {
  count = length(local.pass_lists)

  statement {
    sid       = "PassTheRolesOfTheTasks"
    actions   = ["iam:PassRole"]
    resources = local.pass_lists[count.index]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "recover_pass" {
  count = length(local.pass_lists)

  name        = "${var.name}-pass-policy${count.index > 0 ? "-${count.index + 1}" : ""}"
  path        = var.role_path
  description = "The roles that recover of retry-run-task may give to tasks."
  policy      = data.aws_iam_policy_document.recover_pass[count.index].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "recover_pass" {
  count = length(local.pass_lists)

  role       = aws_iam_role.recover.name
  policy_arn = aws_iam_policy.recover_pass[count.index].arn
}

# What of the account recover may read: by name, since an input may hold anything.
data "aws_iam_policy_document" "recover_reads" {
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

resource "aws_iam_policy" "recover_reads" {
  count = length(local.read_lists)

  name        = "${var.name}-reads-policy${count.index > 0 ? "-${count.index + 1}" : ""}"
  path        = var.role_path
  description = "What recover of retry-run-task may read of rules and schedules."
  policy      = data.aws_iam_policy_document.recover_reads[count.index].json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "recover_reads" {
  count = length(local.read_lists)

  role       = aws_iam_role.recover.name
  policy_arn = aws_iam_policy.recover_reads[count.index].arn
}

data "aws_iam_policy_document" "recover_keys" {
  # GetSchedule needs it of a schedule with a key, and every action on the rules of an event bus with one.
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
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

  dynamic "statement" {
    for_each = var.data_key_arn != "" ? [1] : []

    content {
      sid       = "EncryptWhatIsKept"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.data_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["sqs.${local.region}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_policy" "recover_keys" {
  count = local.has_keys ? 1 : 0

  name        = "${var.name}-keys-policy"
  path        = var.role_path
  description = "What recover of retry-run-task may do with keys."
  policy      = data.aws_iam_policy_document.recover_keys.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "recover_keys" {
  count = local.has_keys ? 1 : 0

  role       = aws_iam_role.recover.name
  policy_arn = aws_iam_policy.recover_keys[0].arn
}

# Lambda makes the network interfaces under the functions' roles. The functions themselves may not.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
data "aws_iam_policy_document" "vpc" {
  statement {
    #checkov:skip=CKV_AWS_111:AWS asks for these on everything, as an interface has no ARN before it is made; the code is denied them.
    #checkov:skip=CKV_AWS_356:As above.
    sid       = "MakeNetworkInterfaces"
    actions   = local.network_interfaces
    resources = ["*"]
  }

  statement {
    sid       = "NotFromTheFunctionsOwnCode"
    effect    = "Deny"
    actions   = local.network_interfaces
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values = [
        "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-intake",
        "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-recover",
        "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-audit",
      ]
    }
  }
}

resource "aws_iam_policy" "vpc" {
  count = local.has_vpc ? 1 : 0

  name        = "${var.name}-vpc-policy"
  path        = var.role_path
  description = "What Lambda needs to run the functions of retry-run-task in a VPC."
  policy      = data.aws_iam_policy_document.vpc.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "vpc" {
  for_each = local.has_vpc ? { intake = aws_iam_role.intake.name, recover = aws_iam_role.recover.name } : {}

  role       = each.value
  policy_arn = aws_iam_policy.vpc[0].arn
}
