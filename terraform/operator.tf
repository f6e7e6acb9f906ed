# The operator's task: `atelier audit`, `doctor`, `import` and the smoke test, run once on Fargate from
# inside the network, whatever runs the services. It costs nothing while nobody runs it
# (scripts/operator.sh does). On a cluster (fleet = "none") a Kubernetes job takes its place.

resource "aws_ecr_repository" "operator" {
  #checkov:skip=CKV_AWS_136:The images hold the published program and no secret; ECR's own AES-256 is enough.
  name                 = "${var.name}/atelier-operator"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.deletion_protection

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "operator" {
  repository = aws_ecr_repository.operator.name
  policy     = aws_ecr_lifecycle_policy.service["api"].policy
}

locals {
  operator_name  = "${var.name}-operator"
  operator_image = coalesce(var.operator_image, "${aws_ecr_repository.operator.repository_url}:${var.image_tag}")

  operator_secrets = concat(
    [{ name = "STORE_URL", valueFrom = local.store_url_secret_arn }],
    [for arn in var.smoke_api_key_secret_arn[*] : { name = "ATELIER_API_KEY", valueFrom = arn }],
  )
}

resource "aws_cloudwatch_log_group" "operator" {
  count = local.has_fleet ? 1 : 0

  name              = "/${var.name}/operator"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.logs.arn
}

resource "aws_ecs_cluster" "operator" {
  #checkov:skip=CKV_AWS_65:Tasks run for minutes and write their findings to the log.
  count = local.has_fleet ? 1 : 0

  name = local.operator_name
}

resource "aws_ecs_task_definition" "operator" {
  count = local.has_fleet ? 1 : 0

  family                   = local.operator_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  task_role_arn            = aws_iam_role.operator.arn
  execution_role_arn       = aws_iam_role.operator_start[0].arn
  skip_destroy             = true

  container_definitions = jsonencode([{
    name                   = "operator"
    image                  = local.operator_image
    essential              = true
    readonlyRootFilesystem = true
    environment = [
      for key, value in merge(local.environment, local.guardrail_environment, { CLOUDFRONT_DISTRIBUTION_ID = aws_cloudfront_distribution.images.id }) :
      { name = key, value = value } if !startswith(key, "OTEL_")
    ]
    secrets      = local.operator_secrets
    mountPoints  = [{ sourceVolume = "tmp", containerPath = "/tmp" }]
    stopTimeout  = 120
    portMappings = []
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.operator[0].name
        awslogs-region        = var.aws_region
        awslogs-stream-prefix = "operator"
      }
    }
  }])

  # Reports and the smoke test's picture.
  volume {
    name = "tmp"
  }
}

# Its network: out by HTTPS, to the store, and to the API at the port where it listens.

resource "aws_security_group" "operator" {
  #checkov:skip=CKV2_AWS_5:scripts/operator.sh gives it to the task.
  name        = local.operator_name
  description = "The operator's task, reached by nobody"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_egress_rule" "operator_to_api" {
  security_group_id = aws_security_group.operator.id
  description       = "The API's load balancer, where it has no certificate"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

# A public load balancer's name leads to its public addresses, so what calls from inside comes by NAT.
resource "aws_vpc_security_group_ingress_rule" "by_nat" {
  for_each = {
    for pair in setproduct(range(length(local.nat_zones)), local.public_ports) :
    "${local.nat_zones[pair[0]]}-${pair[1]}" => { nat = pair[0], port = pair[1] } if !local.api_is_internal
  }

  security_group_id = aws_security_group.load_balancer.id
  description       = "The smoke test, from inside"
  cidr_ipv4         = "${aws_eip.nat[each.value.nat].public_ip}/32"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "operator" {
  for_each = toset(local.api_is_internal ? [for port in local.public_ports : tostring(port)] : [])

  security_group_id            = aws_security_group.load_balancer.id
  description                  = "The smoke test, from inside"
  referenced_security_group_id = aws_security_group.operator.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
}

# Roles

resource "aws_iam_role" "operator" {
  name        = local.operator_name
  description = "The operator's task: audit, doctor, import"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.task_trust]
  })
}

resource "aws_iam_role_policy" "operator" {
  #checkov:skip=CKV_AWS_290:Each statement names its resources.
  name = "operator"
  role = aws_iam_role.operator.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        # Audit reads and lists; import stores.
        Sid    = "Pictures"
        Effect = "Allow"
        Action = [
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:GetObject",
          "s3:PutObject",
          "s3:PutObjectTagging",
        ]
        Resource = local.pictures_arn
      },
      {
        Sid      = "Bucket"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketVersions"]
        Resource = aws_s3_bucket.images.arn
      },
      {
        Sid      = "Queues"
        Effect   = "Allow"
        Action   = "sqs:GetQueueAttributes"
        Resource = [for queue in local.queues : queue.arn]
      },
      ], [for bucket in var.import_bucket[*] : {
        # The old pictures of the portal, while they are brought over.
        Sid      = "OldPictures"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:ListBucket"]
        Resource = ["arn:${local.partition}:s3:::${bucket}", "arn:${local.partition}:s3:::${bucket}/*"]
    }])
  })
}

resource "aws_iam_role" "operator_start" {
  count = local.has_fleet ? 1 : 0

  name        = "${local.operator_name}-start"
  description = "ECS's agent: starts the operator's task"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.task_trust]
  })
}

resource "aws_iam_role_policy" "operator_start" {
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken knows no resource; all else is named.
  #checkov:skip=CKV_AWS_290:ecr:GetAuthorizationToken knows no resource; all else is named.
  count = local.has_fleet ? 1 : 0

  name = "start"
  role = aws_iam_role.operator_start[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.start_statements, [
      {
        Sid      = "OperatorsImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = aws_ecr_repository.operator.arn
      },
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.operator[0].arn}:*"
      },
      ], [for arn in var.smoke_api_key_secret_arn[*] : {
        Sid      = "ApiKey"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = arn
    }])
  })
}

locals {
  # The deployment runs the smoke test as the operator's task.
  operator_statements = [
    {
      Sid       = "RunTheOperatorsTask"
      Effect    = "Allow"
      Action    = "ecs:RunTask"
      Resource  = "arn:${local.partition}:ecs:${local.regional}:task-definition/${local.operator_name}:*"
      Condition = { ArnEquals = { "ecs:cluster" = "arn:${local.partition}:ecs:${local.regional}:cluster/${local.operator_name}" } }
    },
    {
      Sid      = "WaitForTheOperatorsTask"
      Effect   = "Allow"
      Action   = "ecs:DescribeTasks"
      Resource = "arn:${local.partition}:ecs:${local.regional}:task/${local.operator_name}/*"
    },
    {
      Sid      = "NewOperatorsTask"
      Effect   = "Allow"
      Action   = ["ecs:RegisterTaskDefinition", "ecs:TagResource"]
      Resource = "arn:${local.partition}:ecs:${local.regional}:task-definition/${local.operator_name}:*"
    },
    {
      Sid       = "HandOnTheOperatorsRoles"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = concat([aws_iam_role.operator.arn], aws_iam_role.operator_start[*].arn)
      Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
    },
    {
      Sid      = "ReadTheOperatorsLog"
      Effect   = "Allow"
      Action   = "logs:GetLogEvents"
      Resource = "arn:${local.partition}:logs:${local.regional}:log-group:/${var.name}/operator:*"
    },
  ]
}
