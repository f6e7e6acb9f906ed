# The deploy role: a workflow takes it through OIDC, without a key, to push images and to bring
# a new image tag to the fleet. Any other change of the infrastructure is an administrator's.

locals {
  github_url = "token.actions.githubusercontent.com"
  github_provider_arn = (
    var.github_repository == null ? null :
    coalesce(var.github_oidc_provider_arn, try(aws_iam_openid_connect_provider.github[0].arn, null))
  )

  github_subject = coalesce(var.github_subject, "repo:${coalesce(var.github_repository, "none")}:environment:${var.github_environment}")

  deploy_trust = var.github_repository == null ? {
    Effect    = "Allow"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
    Action    = "sts:AssumeRole"
    Condition = { StringEquals = { "aws:PrincipalAccount" = local.account_id } }
    } : {
    Effect    = "Allow"
    Principal = { Federated = local.github_provider_arn }
    Action    = "sts:AssumeRoleWithWebIdentity"
    Condition = {
      StringEquals = {
        "${local.github_url}:aud" = "sts.amazonaws.com"
        "${local.github_url}:sub" = local.github_subject
      }
    }
  }

  regional = "${var.aws_region}:${local.account_id}"
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository != null && var.github_oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.github_url}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "deploy" {
  name        = "${var.name}-deploy"
  description = "Pushes images and brings a new image tag to the fleet"
  # As long as the workflow's job may take (deploy.yml).
  max_session_duration = 10800

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.deploy_trust]
  })
}

# A pull request's plan reads what a plan reads, and the state. Its environment needs no approval.

locals {
  plan_trust = var.github_repository == null ? local.deploy_trust : merge(local.deploy_trust, {
    Condition = {
      StringEquals = {
        "${local.github_url}:aud" = "sts.amazonaws.com"
        "${local.github_url}:sub" = replace(local.github_subject, "/:environment:.*/", ":environment:plan-${var.github_environment}")
      }
    }
  })
}

resource "aws_iam_role" "plan" {
  name        = "${var.name}-plan"
  description = "Reads what a plan reads and changes nothing"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.plan_trust]
  })
}

resource "aws_iam_role_policy" "plan" {
  #checkov:skip=CKV_AWS_355:As the deploy role's: Describe calls know no resource.
  name = "plan"
  role = aws_iam_role.plan.id

  policy = aws_iam_role_policy.deploy_plan.policy
}

resource "aws_iam_role_policy" "plan_state" {
  count = var.terraform_state_bucket == null ? 0 : 1

  name = "state"
  role = aws_iam_role.plan.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${local.state_bucket_arn}/${var.name}/*"
      },
      {
        Sid      = "StateBucket"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = local.state_bucket_arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "deploy_images" {
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken knows no resource; the repositories are named.
  #checkov:skip=CKV_AWS_290:ecr:GetAuthorizationToken knows no resource; the repositories are named.
  name = "images"
  role = aws_iam_role.deploy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "RegistryLoginKnowsNoResource"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:CompleteLayerUpload",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = concat([for repository in aws_ecr_repository.service : repository.arn], [aws_ecr_repository.operator.arn])
      },
    ]
  })
}

locals {
  state_bucket_arn = "arn:${local.partition}:s3:::${coalesce(var.terraform_state_bucket, "none")}"

  state_statements = [
    {
      Sid      = "State"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      Resource = "${local.state_bucket_arn}/${var.name}/*"
    },
    {
      Sid      = "StateBucket"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = local.state_bucket_arn
    },
  ]

  # A new launch template version, then a rolling instance refresh that rolls back by itself.
  release_ec2 = [
    {
      Sid      = "NewTemplateVersion"
      Effect   = "Allow"
      Action   = ["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"]
      Resource = "arn:${local.partition}:ec2:${local.regional}:launch-template/*"
      # A template's ARN holds a random id, not its name.
      Condition = { StringEquals = { "aws:ResourceTag/Project" = var.name } }
    },
    {
      # The group checks that who changes its template could launch from it.
      Sid    = "LaunchFromTheTemplate"
      Effect = "Allow"
      Action = "ec2:RunInstances"
      Resource = concat(
        ["arn:${local.partition}:ec2:${var.aws_region}::image/*"],
        [for kind in ["instance", "launch-template", "network-interface", "security-group", "subnet", "volume"] : "arn:${local.partition}:ec2:${local.regional}:${kind}/*"],
      )
      Condition = { ArnLike = { "ec2:LaunchTemplate" = "arn:${local.partition}:ec2:${local.regional}:launch-template/*" } }
    },
    {
      # The template's tags of an instance. CreateTags knows no ec2:LaunchTemplate; what it knows is
      # the call that it is part of.
      Sid       = "TagWhatIsLaunched"
      Effect    = "Allow"
      Action    = "ec2:CreateTags"
      Resource  = [for kind in ["instance", "network-interface", "volume"] : "arn:${local.partition}:ec2:${local.regional}:${kind}/*"]
      Condition = { StringEquals = { "ec2:CreateAction" = "RunInstances" } }
    },
    {
      Sid    = "Refresh"
      Effect = "Allow"
      Action = [
        "autoscaling:CancelInstanceRefresh",
        "autoscaling:RollbackInstanceRefresh",
        "autoscaling:StartInstanceRefresh",
        "autoscaling:UpdateAutoScalingGroup",
      ]
      Resource = [for service in keys(local.roles) : "arn:${local.partition}:autoscaling:${local.regional}:autoScalingGroup:*:autoScalingGroupName/${var.name}-${service}"]
    },
  ]

  # A new task definition, then a deployment that its circuit breaker rolls back.
  release_ecs = [
    {
      Sid      = "NewTaskDefinition"
      Effect   = "Allow"
      Action   = ["ecs:RegisterTaskDefinition", "ecs:TagResource"]
      Resource = [for service in keys(local.roles) : "arn:${local.partition}:ecs:${local.regional}:task-definition/${var.name}-${service}:*"]
    },
    {
      Sid      = "Rollout"
      Effect   = "Allow"
      Action   = ["ecs:UpdateService"]
      Resource = [for service in keys(local.roles) : "arn:${local.partition}:ecs:${local.regional}:service/${var.name}-${service}/${var.name}-${service}"]
    },
  ]
}

locals {
  release_hand_on = [{
    Sid       = "HandOnTheServicesRoles"
    Effect    = "Allow"
    Action    = "iam:PassRole"
    Resource  = concat([for role in local.roles : role.arn], aws_iam_role.execution[*].arn)
    Condition = { StringEquals = { "iam:PassedToService" = local.service_principal } }
  }]
}

resource "aws_iam_role_policy" "deploy_release" {
  name = "release"
  role = aws_iam_role.deploy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in local.release_ec2 : statement if var.fleet == "ec2"],
      [for statement in local.release_ecs : statement if var.fleet == "ecs"],
      [for statement in local.release_hand_on : statement if local.has_fleet],
      [for statement in local.operator_statements : statement if local.has_fleet],
      [for statement in local.state_statements : statement if var.terraform_state_bucket != null],
    )
  })
}

locals {
  # The tags of what ECS scales.
  plan_ecs = [{
    Sid      = "ScalingTargets"
    Effect   = "Allow"
    Action   = "application-autoscaling:ListTagsForResource"
    Resource = "arn:${local.partition}:application-autoscaling:${local.regional}:scalable-target/*"
  }]
}

# A plan reads all that the stack holds.
resource "aws_iam_role_policy" "deploy_plan" {
  #checkov:skip=CKV_AWS_355:The last statement's Describe calls know no resource; all others are named.
  name = "plan"
  role = aws_iam_role.deploy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([for statement in local.plan_ecs : statement if var.fleet == "ecs"], [
      {
        Sid    = "Buckets"
        Effect = "Allow"
        Action = [
          "s3:GetAccelerateConfiguration",
          "s3:GetBucket*",
          "s3:GetEncryptionConfiguration",
          "s3:GetLifecycleConfiguration",
          "s3:GetMetricsConfiguration",
          "s3:GetReplicationConfiguration",
          "s3:ListBucket",
        ]
        Resource = [aws_s3_bucket.images.arn, aws_s3_bucket.audit.arn]
      },
      {
        Sid      = "Placeholder"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectTagging"]
        Resource = "${aws_s3_bucket.images.arn}/${aws_s3_object.placeholder.key}"
      },
      {
        Sid      = "Queues"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:ListQueueTags"]
        Resource = [for queue in local.queues : queue.arn]
      },
      {
        Sid    = "Cdn"
        Effect = "Allow"
        Action = [
          "cloudfront:GetCachePolicy",
          "cloudfront:DescribeFunction",
          "cloudfront:GetDistribution",
          "cloudfront:GetFunction",
          "cloudfront:GetMonitoringSubscription",
          "cloudfront:GetOriginAccessControl",
          "cloudfront:GetResponseHeadersPolicy",
          "cloudfront:GetVpcOrigin",
          "cloudfront:ListTagsForResource",
        ]
        Resource = concat([aws_cloudfront_distribution.images.arn], values(local.cdn_functions), local.cdn_policy_arns, aws_cloudfront_distribution.api[*].arn, aws_cloudfront_vpc_origin.api[*].arn)
      },
      {
        Sid    = "Roles"
        Effect = "Allow"
        Action = [
          "iam:GetInstanceProfile",
          "iam:GetOpenIDConnectProvider",
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies",
          "iam:ListRolePolicies",
        ]
        Resource = concat(
          [for kind in ["role", "instance-profile"] : "arn:${local.partition}:iam::${local.account_id}:${kind}/${var.name}-*"],
          local.github_provider_arn == null ? [] : [local.github_provider_arn],
        )
      },
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = "logs:ListTagsForResource"
        Resource = "arn:${local.partition}:logs:${local.regional}:log-group:/${var.name}/*"
      },
      {
        Sid    = "Watching"
        Effect = "Allow"
        Action = ["cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"]
        Resource = [
          "arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/${var.name}",
          "arn:${local.partition}:cloudwatch:*:${local.account_id}:alarm:${var.name}-*",
        ]
      },
      {
        Sid      = "Topics"
        Effect   = "Allow"
        Action   = ["sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListTagsForResource"]
        Resource = "arn:${local.partition}:sns:*:${local.account_id}:${var.name}-notices*"
      },
      {
        Sid      = "Trail"
        Effect   = "Allow"
        Action   = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus", "cloudtrail:ListTags"]
        Resource = local.trail_arn
      },
      {
        Sid      = "Keys"
        Effect   = "Allow"
        Action   = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
        Resource = concat([aws_kms_key.logs.arn], module.notices[*].key_arn, module.notices_us_east_1[*].key_arn)
      },
      {
        Sid      = "Secret"
        Effect   = "Allow"
        Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"]
        Resource = concat([local.store_url_secret_arn], values(local.identity_secrets), aws_secretsmanager_secret.picture_private_key[*].arn)
      },
      {
        Sid      = "Repositories"
        Effect   = "Allow"
        Action   = ["ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource"]
        Resource = concat([for repository in aws_ecr_repository.service : repository.arn], [aws_ecr_repository.operator.arn])
      },
      {
        Sid      = "BaseImage"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = "arn:${local.partition}:ssm:${var.aws_region}::parameter/aws/service/ami-amazon-linux-latest/*"
      },
      {
        Sid    = "Names"
        Effect = "Allow"
        Action = ["acm:DescribeCertificate", "acm:ListTagsForCertificate", "route53:GetHostedZone", "route53:ListResourceRecordSets", "route53:ListTagsForResource"]
        Resource = concat(
          ["arn:${local.partition}:acm:${local.regional}:certificate/*", "arn:${local.partition}:acm:us-east-1:${local.account_id}:certificate/*"],
          [for zone in var.api_zone_id[*] : "arn:${local.partition}:route53:::hostedzone/${zone}"],
        )
      },
      {
        Sid      = "Firewall"
        Effect   = "Allow"
        Action   = ["wafv2:GetWebACL", "wafv2:GetWebACLForResource", "wafv2:ListTagsForResource"]
        Resource = concat(aws_lb.api[*].arn, aws_wafv2_web_acl.api[*].arn, aws_wafv2_web_acl.api_cdn[*].arn)
      },
      {
        Sid    = "DescribesKnowNoResource"
        Effect = "Allow"
        Action = [
          "application-autoscaling:Describe*",
          "autoscaling:Describe*",
          "cloudfront:GetKeyGroup",
          "cloudfront:GetPublicKey",
          "cloudtrail:DescribeTrails",
          "ec2:Describe*",
          "ec2:GetManagedPrefixListEntries",
          "ecs:Describe*",
          "elasticloadbalancing:Describe*",
          "kms:ListAliases",
          "logs:DescribeLogGroups",
        ]
        Resource = "*"
      },
    ])
  })
}
