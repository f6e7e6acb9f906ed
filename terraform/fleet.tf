# API and worker, on the fleet that `fleet` chooses, and the API's load balancer.

resource "aws_ecr_repository" "service" {
  #checkov:skip=CKV_AWS_136:The images hold the published program and no secret; ECR's own AES-256 is enough.
  for_each = toset(["api", "worker"])

  name                 = "${var.name}/atelier-${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.deletion_protection

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "service" {
  for_each = aws_ecr_repository.service

  repository = each.value.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Enough to roll back far"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 50 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_secretsmanager_secret" "store_url" {
  #checkov:skip=CKV2_AWS_57:The password is the database's, which rotates it; services read the secret at each start.
  count = var.store_url_secret_arn == null ? 1 : 0

  name        = "${var.name}/store-url"
  description = "STORE_URL: mongodb+srv://user:password@host/database"
  kms_key_id  = aws_kms_key.logs.arn
}

resource "aws_cloudwatch_log_group" "service" {
  for_each = toset(["api", "worker"])

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.logs.arn
}

locals {
  # As many workers as the model's quota can feed, and never none.
  pictures_per_worker_per_minute = local.scaling.worker.slots * 60 / local.scaling.worker.seconds_per_picture
  model_quota_per_minute         = coalesce(var.model_quota_per_minute, local.scaling.worker.model_quota_per_minute)
  worker_min                     = var.worker_min == null ? local.scaling.worker.min : var.worker_min
  worker_max                     = max(1, local.worker_min, ceil(local.model_quota_per_minute / local.pictures_per_worker_per_minute))

  environment = {
    S3_BUCKET_NAME              = aws_s3_bucket.images.id
    CLOUDFRONT_DOMAIN           = local.cdn_domain
    AWS_REGION                  = var.aws_region
    BEDROCK_REGION              = var.bedrock_region
    BEDROCK_MODELS              = join(",", var.bedrock_models)
    BEDROCK_PRICES              = join(",", [for model, price in var.bedrock_prices : "${model}=${price}"])
    MODEL_SPILL                 = var.model_spill ? "on" : "off"
    SQS_QUEUE_URL               = aws_sqs_queue.jobs.url
    SQS_DEAD_LETTER_QUEUE_URL   = aws_sqs_queue.dead_letters.url
    CLAIM_SECONDS               = tostring(var.claim_seconds)
    GRACE_SECONDS               = tostring(var.grace_seconds)
    MAX_ATTEMPTS                = tostring(var.max_attempts)
    GIVE_UP_SECONDS             = tostring(var.give_up_seconds)
    REUSE                       = var.reuse
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    # CloudWatch adds up what it gets. Deltas are right without the collector's memory of the sums,
    # which a restart of it loses.
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE = "delta"

    # The API refuses what the workers could not pay for.
    BUDGET_USD_PER_DAY             = tostring(var.budget_usd_per_day)
    BUDGET_USD_PER_TEACHER_PER_DAY = tostring(var.budget_usd_per_teacher_per_day)
  }

  services = {
    api = {
      image = coalesce(var.api_image, "${aws_ecr_repository.service["api"].repository_url}:${var.image_tag}")
      port  = local.api_port
      environment = merge(local.environment, {
        LISTEN_ADDR                = "0.0.0.0:${local.api_port}"
        CLOUDFRONT_DISTRIBUTION_ID = aws_cloudfront_distribution.images.id
        CREATE_LIMIT_PER_MINUTE    = tostring(var.create_limit_per_minute)
        ALLOWED_HOSTS              = join(",", compact([var.api_domain, local.api_cdn_domain, one(aws_lb.api[*].dns_name)]))
        CLOUDWATCH_BACKLOG         = var.fleet == "ec2" ? "on" : "off"
      }, local.identity_environment, local.picture_environment, local.api_environment)
      secrets           = merge(local.identity_secrets, local.picture_secrets)
      security_group_id = aws_security_group.api.id
      target_group_arn  = one(aws_lb_target_group.api[*].arn)
      size              = merge(var.api_task_size, { instance_types = var.api_instance_types, ami_id = var.ami_id })
      capacity = {
        min            = local.scaling.api.min
        max            = local.scaling.api.max
        on_demand_base = local.scaling.api.min
        spot_percent   = var.api_spot_percent
      }
      scaling = local.scaling.api
      backlog = null
      requests = {
        resource_label        = local.has_fleet ? "${aws_lb.api[0].arn_suffix}/${aws_lb_target_group.api[0].arn_suffix}" : ""
        per_target_per_minute = local.scaling.api.requests_per_target_per_minute
      }
    }

    worker = {
      image = coalesce(var.worker_image, "${aws_ecr_repository.service["worker"].repository_url}:${var.image_tag}")
      port  = local.worker_port
      environment = merge(local.environment, {
        LISTEN_ADDR  = "0.0.0.0:${local.worker_port}"
        WORKER_SLOTS = tostring(local.scaling.worker.slots)
        WEBP_QUALITY = tostring(var.webp_quality)
      }, local.guardrail_environment, var.worker_environment)
      secrets           = {}
      security_group_id = aws_security_group.worker.id
      target_group_arn  = null
      size              = merge(var.worker_task_size, { instance_types = var.worker_instance_types, ami_id = var.ami_id })
      capacity = {
        min            = local.worker_min
        max            = local.worker_max
        on_demand_base = min(local.worker_min, 1)
        spot_percent   = var.worker_spot_percent
      }
      scaling = local.scaling.worker
      backlog = {
        queue_name = aws_sqs_queue.jobs.name
        per_worker = local.scaling.worker.backlog_per_worker
        # The APIs say it every 10 s (CLOUDWATCH_BACKLOG). Application Auto Scaling, which ECS has,
        # knows no periods below a minute.
        high_resolution = {
          namespace      = local.metrics.namespace
          metric_name    = "BacklogPerWorker"
          period_seconds = local.scaling.high_resolution.metric_period_seconds
        }
      }
      requests = null
    }
  }
}

module "ec2_fleet" {
  source   = "./modules/ec2-fleet"
  for_each = { for service, it in local.services : service => it if var.fleet == "ec2" }

  name        = "${var.name}-${each.key}"
  image       = each.value.image
  port        = each.value.port
  environment = each.value.environment
  secrets     = merge({ STORE_URL = local.store_url_secret_arn }, each.value.secrets)
  role        = { name = local.roles[each.key].name, arn = local.roles[each.key].arn }
  network = {
    subnet_ids         = aws_subnet.private[*].id
    security_group_ids = [each.value.security_group_id]
    target_group_arn   = each.value.target_group_arn
  }
  size     = each.value.size
  capacity = each.value.capacity
  scaling = merge(each.value.scaling, {
    metric_period_seconds = local.scaling.metric_period_seconds
    backlog               = each.value.backlog
    requests              = each.value.requests
  })
  grace_seconds = var.grace_seconds
  region        = var.aws_region
  log_group     = aws_cloudwatch_log_group.service[each.key].name
  collector     = { image = var.collector_image, config = local.collector_config }

  depends_on = [
    aws_iam_role_policy.instance,
    aws_route.nat,
    aws_vpc_endpoint.interface,
    aws_vpc_endpoint.s3,
  ]
}

module "ecs_fleet" {
  source   = "./modules/ecs-fleet"
  for_each = { for service, it in local.services : service => it if var.fleet == "ecs" }

  name        = "${var.name}-${each.key}"
  image       = each.value.image
  port        = each.value.port
  environment = each.value.environment
  secrets     = merge({ STORE_URL = local.store_url_secret_arn }, each.value.secrets)
  role        = { name = local.roles[each.key].name, arn = local.roles[each.key].arn, execution_arn = aws_iam_role.execution[0].arn }
  network = {
    subnet_ids         = aws_subnet.private[*].id
    security_group_ids = [each.value.security_group_id]
    target_group_arn   = each.value.target_group_arn
  }
  size     = each.value.size
  capacity = each.value.capacity
  scaling = merge(each.value.scaling, {
    metric_period_seconds = local.scaling.metric_period_seconds
    backlog               = each.value.backlog
    requests              = each.value.requests
  })
  grace_seconds = var.grace_seconds
  region        = var.aws_region
  log_group     = aws_cloudwatch_log_group.service[each.key].name
  collector     = { image = var.collector_image, config = local.collector_config }

  depends_on = [
    aws_iam_role_policy.execution,
    aws_lb_listener.http,
    aws_route.nat,
    aws_vpc_endpoint.interface,
    aws_vpc_endpoint.s3,
  ]
}

locals {
  fleet = merge(module.ec2_fleet, module.ecs_fleet)
}

# The API's load balancer

resource "aws_lb" "api" {
  count = local.has_fleet ? 1 : 0

  #checkov:skip=CKV_AWS_91:The API logs each request itself, with its correlation id and without addresses.
  #checkov:skip=CKV_AWS_150:deletion_protection is a variable, true by default.
  #checkov:skip=CKV2_AWS_20:Port 80 redirects where there is a certificate; without one 0.0.0.0/0 is refused.
  #checkov:skip=CKV2_AWS_76:No Java anywhere behind it.
  #checkov:skip=CKV2_AWS_28:A WAF is attached where everybody may call or waf_requests_per_5_minutes is given; the API limits creates itself.
  name                       = "${var.name}-api"
  load_balancer_type         = "application"
  internal                   = local.api_is_internal
  subnets                    = local.api_is_internal ? aws_subnet.private[*].id : aws_subnet.public[*].id
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
}

resource "aws_lb_target_group" "api" {
  count = local.has_fleet ? 1 : 0

  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it is a private subnet that only it may enter.
  name_prefix = "api-"
  vpc_id      = aws_vpc.this.id
  protocol    = "HTTP"
  port        = local.api_port
  target_type = var.fleet == "ec2" ? "instance" : "ip"
  # Longer than the longest answer, a ?wait=20.
  deregistration_delay = 30

  health_check {
    # Not /health/ready: no instance is replaced because the store is away from all of them.
    path                = "/health/live"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "http" {
  count = local.has_fleet ? 1 : 0

  #checkov:skip=CKV_AWS_2:Redirects to HTTPS where there is a certificate; without one 0.0.0.0/0 is refused.
  #checkov:skip=CKV_AWS_103:The TLS policy is the HTTPS listener's.
  load_balancer_arn = aws_lb.api[0].arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type             = local.api_has_tls ? "redirect" : "forward"
    target_group_arn = local.api_has_tls ? null : aws_lb_target_group.api[0].arn

    dynamic "redirect" {
      for_each = local.api_has_tls ? ["https"] : []

      content {
        protocol    = "HTTPS"
        port        = "443"
        status_code = "HTTP_301"
      }
    }
  }
}

resource "aws_lb_listener" "https" {
  count = local.has_fleet && local.api_has_tls ? 1 : 0

  load_balancer_arn = aws_lb.api[0].arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = local.api_certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api[0].arn
  }
}

# One address's flood stops before the load balancer; always where everybody may call.

locals {
  waf_limit = !local.api_is_open || var.waf_requests_per_5_minutes != null ? var.waf_requests_per_5_minutes : 10000
}

resource "aws_wafv2_web_acl" "api" {
  #checkov:skip=CKV_AWS_192:No Java anywhere behind it.
  #checkov:skip=CKV2_AWS_31:Its counts are in CloudWatch; the addresses are not kept.
  #checkov:skip=CKV2_AWS_77:No Java anywhere behind it.
  count = local.has_fleet && local.waf_limit != null && !var.api_cdn ? 1 : 0

  name        = "${var.name}-api"
  description = "Limits the requests of one address"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 1

    action {
      block {}
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = local.waf_limit
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-api-rate"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "${var.name}-api"
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "api" {
  count = local.has_fleet && local.waf_limit != null && !var.api_cdn ? 1 : 0

  resource_arn = aws_lb.api[0].arn
  web_acl_arn  = aws_wafv2_web_acl.api[0].arn
}
