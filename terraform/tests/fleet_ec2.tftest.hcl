# Fleet "ec2": Auto Scaling Groups.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "./tests/mocks"
  override_during = plan
}

run "launch_template" {
  command = plan

  module {
    source = "./modules/ec2-fleet"
  }

  variables {
    name        = "atelier-worker"
    image       = "registry.example.org/atelier-worker:1.2.3"
    port        = 8081
    environment = { S3_BUCKET_NAME = "images-bucket", CLOUDFRONT_DOMAIN = "d1.cloudfront.net", AWS_REGION = "us-west-2", QUOTED = "it's" }
    secrets     = { STORE_URL = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }
    role        = { name = "atelier-worker", arn = "arn:aws:iam::123456789012:role/atelier-worker", execution_arn = "arn:aws:iam::123456789012:role/atelier-execution" }
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    size        = { instance_types = ["c6i.large", "c6a.large"], cpu = 1024, memory = 2048 }
    capacity    = { min = 0, max = 4, on_demand_base = 1, spot_percent = 80 }
    scaling = {
      cpu_percent                = 70
      metric_period_seconds      = 60
      boot_seconds               = 60
      scale_out_cooldown_seconds = 60
      scale_in_cooldown_seconds  = 300
      backlog                    = { queue_name = "atelier-jobs", per_worker = 48 }
    }
    grace_seconds = 25
    region        = "us-west-2"
    log_group     = "/atelier/worker"
    collector     = { image = "collector:1", config = "receivers: {}" }
  }

  assert {
    condition     = one(aws_launch_template.this.metadata_options).http_tokens == "required" && one(aws_launch_template.this.metadata_options).http_put_response_hop_limit == 1
    error_message = "IMDSv2 only, one hop."
  }

  assert {
    condition     = one(aws_launch_template.this.monitoring).enabled
    error_message = "CPU is measured every minute."
  }

  assert {
    condition     = one(one(aws_launch_template.this.block_device_mappings).ebs).encrypted == "true"
    error_message = "The disk is encrypted."
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-0123456789abcdef0"
    error_message = "The newest Amazon Linux 2023, where no image is given."
  }

  assert {
    condition = alltrue([
      for line in ["export S3_BUCKET_NAME='images-bucket'", "export CLOUDFRONT_DOMAIN='d1.cloudfront.net'", "export AWS_REGION='us-west-2'", "export QUOTED='it'\\''s'"] :
      strcontains(base64decode(aws_launch_template.this.user_data), "\n${line}\n")
    ])
    error_message = "User data exports the environment, quoted for the shell."
  }

  assert {
    condition     = !strcontains(base64decode(aws_launch_template.this.user_data), "mongodb") && strcontains(base64decode(aws_launch_template.this.user_data), "STORE_URL=arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url")
    error_message = "The store's address is named by its secret, not written down."
  }

  assert {
    condition     = aws_iam_instance_profile.this.role == "atelier-worker"
    error_message = "Each instance bears the service's role."
  }
}

# Feature: s3-image-storage, Property 29: High availability during scaling
run "scaling_events_cost_nothing" {
  command = plan

  module {
    source = "./modules/ec2-fleet"
  }

  variables {
    name        = "atelier-worker"
    image       = "registry.example.org/atelier-worker:1.2.3"
    port        = 8081
    environment = { S3_BUCKET_NAME = "images-bucket", CLOUDFRONT_DOMAIN = "d1.cloudfront.net", AWS_REGION = "us-west-2", QUOTED = "it's" }
    secrets     = { STORE_URL = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }
    role        = { name = "atelier-worker", arn = "arn:aws:iam::123456789012:role/atelier-worker", execution_arn = "arn:aws:iam::123456789012:role/atelier-execution" }
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    size        = { instance_types = ["c6i.large", "c6a.large"], cpu = 1024, memory = 2048 }
    capacity    = { min = 0, max = 4, on_demand_base = 1, spot_percent = 80 }
    scaling = {
      cpu_percent                = 70
      metric_period_seconds      = 60
      boot_seconds               = 60
      scale_out_cooldown_seconds = 60
      scale_in_cooldown_seconds  = 300
      backlog                    = { queue_name = "atelier-jobs", per_worker = 48 }
    }
    grace_seconds = 25
    region        = "us-west-2"
    log_group     = "/atelier/worker"
    collector     = { image = "collector:1", config = "receivers: {}" }
  }

  assert {
    condition = (
      local.drain_hook == "atelier-worker-drain" &&
      one([for hook in aws_autoscaling_group.this.initial_lifecycle_hook : hook.default_result if hook.lifecycle_transition == "autoscaling:EC2_INSTANCE_TERMINATING"]) == "CONTINUE" &&
      one([for hook in aws_autoscaling_group.this.initial_lifecycle_hook : hook.heartbeat_timeout if hook.lifecycle_transition == "autoscaling:EC2_INSTANCE_TERMINATING"]) == 120 &&
      one([for hook in aws_autoscaling_group.this.initial_lifecycle_hook : hook.default_result if hook.lifecycle_transition == "autoscaling:EC2_INSTANCE_LAUNCHING"]) == "ABANDON"
    )
    error_message = "An instance ends only after its drain, for which it has longer than GRACE_SECONDS."
  }

  assert {
    condition     = strcontains(base64decode(aws_launch_template.this.user_data), "docker stop --time 30 atelier-worker") && strcontains(base64decode(aws_launch_template.this.user_data), "TimeoutStopSec=40")
    error_message = "SIGTERM, then the grace and a margin, before anything is killed."
  }

  assert {
    condition     = strcontains(base64decode(aws_launch_template.this.user_data), "autoscaling/target-lifecycle-state") && strcontains(base64decode(aws_launch_template.this.user_data), "spot/instance-action")
    error_message = "Lifecycle and spot notices are watched."
  }

  assert {
    condition     = aws_autoscaling_group.this.capacity_rebalance && one(one(aws_autoscaling_group.this.instance_refresh).preferences).min_healthy_percentage == 100 && one(one(aws_autoscaling_group.this.instance_refresh).preferences).auto_rollback
    error_message = "A replacement comes first; a release that fails is rolled back."
  }
}

run "spot_share" {
  command = plan

  module {
    source = "./modules/ec2-fleet"
  }

  variables {
    name        = "atelier-worker"
    image       = "registry.example.org/atelier-worker:1.2.3"
    port        = 8081
    environment = { S3_BUCKET_NAME = "images-bucket", CLOUDFRONT_DOMAIN = "d1.cloudfront.net", AWS_REGION = "us-west-2", QUOTED = "it's" }
    secrets     = { STORE_URL = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }
    role        = { name = "atelier-worker", arn = "arn:aws:iam::123456789012:role/atelier-worker", execution_arn = "arn:aws:iam::123456789012:role/atelier-execution" }
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    size        = { instance_types = ["c6i.large", "c6a.large"], cpu = 1024, memory = 2048 }
    capacity    = { min = 0, max = 4, on_demand_base = 1, spot_percent = 80 }
    scaling = {
      cpu_percent                = 70
      metric_period_seconds      = 60
      boot_seconds               = 60
      scale_out_cooldown_seconds = 60
      scale_in_cooldown_seconds  = 300
      backlog                    = { queue_name = "atelier-jobs", per_worker = 48 }
    }
    grace_seconds = 25
    region        = "us-west-2"
    log_group     = "/atelier/worker"
    collector     = { image = "collector:1", config = "receivers: {}" }
  }

  assert {
    condition = (
      one(one(aws_autoscaling_group.this.mixed_instances_policy).instances_distribution).on_demand_base_capacity == 1 &&
      one(one(aws_autoscaling_group.this.mixed_instances_policy).instances_distribution).on_demand_percentage_above_base_capacity == 20 &&
      one(one(aws_autoscaling_group.this.mixed_instances_policy).instances_distribution).spot_allocation_strategy == "price-capacity-optimized"
    )
    error_message = "One on demand, 80% of the rest on spot."
  }

  assert {
    condition     = one(one(aws_autoscaling_group.this.mixed_instances_policy).launch_template).override[*].instance_type == tolist(["c6i.large", "c6a.large"])
    error_message = "Several instance types."
  }

  assert {
    condition     = aws_autoscaling_group.this.min_size == 0 && aws_autoscaling_group.this.max_size == 4
    error_message = "From 0 to the maximum."
  }
}

# Feature: s3-image-storage, Property 27: Auto-scaling trigger
run "scaling_policies" {
  command = plan

  module {
    source = "./modules/ec2-fleet"
  }

  variables {
    name        = "atelier-worker"
    image       = "registry.example.org/atelier-worker:1.2.3"
    port        = 8081
    environment = { S3_BUCKET_NAME = "images-bucket", CLOUDFRONT_DOMAIN = "d1.cloudfront.net", AWS_REGION = "us-west-2", QUOTED = "it's" }
    secrets     = { STORE_URL = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }
    role        = { name = "atelier-worker", arn = "arn:aws:iam::123456789012:role/atelier-worker", execution_arn = "arn:aws:iam::123456789012:role/atelier-execution" }
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    size        = { instance_types = ["c6i.large", "c6a.large"], cpu = 1024, memory = 2048 }
    capacity    = { min = 0, max = 4, on_demand_base = 1, spot_percent = 80 }
    scaling = {
      cpu_percent                = 70
      metric_period_seconds      = 60
      boot_seconds               = 60
      scale_out_cooldown_seconds = 60
      scale_in_cooldown_seconds  = 300
      backlog                    = { queue_name = "atelier-jobs", per_worker = 48, high_resolution = { namespace = "Atelier", metric_name = "BacklogPerWorker", period_seconds = 10 } }
    }
    grace_seconds = 25
    region        = "us-west-2"
    log_group     = "/atelier/worker"
    collector     = { image = "collector:1", config = "receivers: {}" }
  }

  assert {
    condition     = one(aws_autoscaling_policy.cpu.target_tracking_configuration).target_value == 70 && one(one(aws_autoscaling_policy.cpu.target_tracking_configuration).predefined_metric_specification).predefined_metric_type == "ASGAverageCPUUtilization"
    error_message = "CPU at 70%."
  }

  assert {
    condition = alltrue([
      for tracking in aws_autoscaling_policy.backlog_high_resolution[0].target_tracking_configuration :
      tracking.target_value == 48 && tracking.disable_scale_in &&
      one(one(one(tracking.customized_metric_specification).metrics).metric_stat).period == 10 &&
      one(one(one(one(one(tracking.customized_metric_specification).metrics).metric_stat).metric).dimensions).value == "atelier-jobs"
    ])
    error_message = "The backlog in high resolution adds workers, and takes none away."
  }

  assert {
    condition     = one(aws_autoscaling_policy.backlog[0].target_tracking_configuration).target_value == 48
    error_message = "48 jobs waiting for one worker."
  }

  assert {
    condition = [
      for metric in one(one(aws_autoscaling_policy.backlog[0].target_tracking_configuration).customized_metric_specification).metrics : metric.expression if metric.return_data == true
    ] == ["visible / IF(running > 0, running, 1)"]
    error_message = "The backlog a worker, also where none runs."
  }

  assert {
    condition = {
      for metric in one(one(aws_autoscaling_policy.backlog[0].target_tracking_configuration).customized_metric_specification).metrics :
      metric.id => "${one(one(metric.metric_stat).metric).namespace} ${one(one(metric.metric_stat).metric).metric_name} ${one(metric.metric_stat).period}" if metric.id != "backlog"
    } == { visible = "AWS/SQS ApproximateNumberOfMessagesVisible 60", running = "AWS/AutoScaling GroupInServiceInstances 60" }
    error_message = "From the queue and the group, once a minute."
  }

  assert {
    condition     = contains(aws_autoscaling_group.this.enabled_metrics, "GroupInServiceInstances") && aws_autoscaling_group.this.metrics_granularity == "1Minute"
    error_message = "The group says how many run."
  }

  assert {
    condition     = aws_autoscaling_group.this.default_instance_warmup == 60 && length(aws_autoscaling_policy.requests) == 0
    error_message = "A booting worker counts when it can work."
  }
}

# Feature: s3-image-storage, Property 27: Auto-scaling trigger
run "the_first_job_wakes_an_empty_fleet" {
  command = plan

  module {
    source = "./modules/ec2-fleet"
  }

  variables {
    name        = "atelier-worker"
    image       = "registry.example.org/atelier-worker:1.2.3"
    port        = 8081
    environment = { S3_BUCKET_NAME = "images-bucket", CLOUDFRONT_DOMAIN = "d1.cloudfront.net", AWS_REGION = "us-west-2", QUOTED = "it's" }
    secrets     = { STORE_URL = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }
    role        = { name = "atelier-worker", arn = "arn:aws:iam::123456789012:role/atelier-worker", execution_arn = "arn:aws:iam::123456789012:role/atelier-execution" }
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    size        = { instance_types = ["c6i.large", "c6a.large"], cpu = 1024, memory = 2048 }
    capacity    = { min = 0, max = 4, on_demand_base = 1, spot_percent = 80 }
    scaling = {
      cpu_percent                = 70
      metric_period_seconds      = 60
      boot_seconds               = 60
      scale_out_cooldown_seconds = 60
      scale_in_cooldown_seconds  = 300
      backlog                    = { queue_name = "atelier-jobs", per_worker = 48 }
    }
    grace_seconds = 25
    region        = "us-west-2"
    log_group     = "/atelier/worker"
    collector     = { image = "collector:1", config = "receivers: {}" }
  }

  assert {
    condition     = aws_autoscaling_policy.wake[0].policy_type == "StepScaling" && aws_autoscaling_policy.wake[0].adjustment_type == "ChangeInCapacity"
    error_message = "It only ever adds."
  }

  assert {
    condition     = one(aws_autoscaling_policy.wake[0].step_adjustment).scaling_adjustment == 1 && tonumber(one(aws_autoscaling_policy.wake[0].step_adjustment).metric_interval_lower_bound) == 0
    error_message = "One worker."
  }

  assert {
    condition     = aws_autoscaling_policy.wake[0].estimated_instance_warmup == 60 + 2 * 60
    error_message = "And no other while that one boots and its metric is late."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.wake[0].comparison_operator == "GreaterThanThreshold" &&
      aws_cloudwatch_metric_alarm.wake[0].threshold == 0 &&
      aws_cloudwatch_metric_alarm.wake[0].evaluation_periods == 1
    )
    error_message = "One job, seen once, is enough."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.wake[0].alarm_actions == toset([aws_autoscaling_policy.wake[0].arn])
    error_message = "The alarm starts it."
  }

  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.wake[0].metric_query : query.expression if query.return_data == true] == ["IF(FILL(running, REPEAT) > 0, 0, visible)"]
    error_message = "Only where none runs; a fleet whose metric is late has as many as before."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.wake[0].metric_query :
      query.id => "${one(query.metric).namespace} ${one(query.metric).metric_name} ${one(query.metric).period}" if query.id != "unattended"
    } == { visible = "AWS/SQS ApproximateNumberOfMessagesVisible 60", running = "AWS/AutoScaling GroupInServiceInstances 60" }
    error_message = "From the same metrics as the backlog, once a minute."
  }
}

run "a_fleet_that_is_never_empty_needs_no_wake" {
  command = plan

  module {
    source = "./modules/ec2-fleet"
  }

  variables {
    name        = "atelier-worker"
    image       = "registry.example.org/atelier-worker:1.2.3"
    port        = 8081
    environment = { S3_BUCKET_NAME = "images-bucket", CLOUDFRONT_DOMAIN = "d1.cloudfront.net", AWS_REGION = "us-west-2", QUOTED = "it's" }
    secrets     = { STORE_URL = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }
    role        = { name = "atelier-worker", arn = "arn:aws:iam::123456789012:role/atelier-worker", execution_arn = "arn:aws:iam::123456789012:role/atelier-execution" }
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    size        = { instance_types = ["c6i.large", "c6a.large"], cpu = 1024, memory = 2048 }
    capacity    = { min = 1, max = 4, on_demand_base = 1, spot_percent = 80 }
    scaling = {
      cpu_percent                = 70
      metric_period_seconds      = 60
      boot_seconds               = 60
      scale_out_cooldown_seconds = 60
      scale_in_cooldown_seconds  = 300
      backlog                    = { queue_name = "atelier-jobs", per_worker = 48 }
    }
    grace_seconds = 25
    region        = "us-west-2"
    log_group     = "/atelier/worker"
    collector     = { image = "collector:1", config = "receivers: {}" }
  }

  assert {
    condition     = length(aws_autoscaling_policy.wake) == 0 && length(aws_cloudwatch_metric_alarm.wake) == 0
    error_message = "The backlog alone scales it."
  }
}

run "api" {
  command = plan

  assert {
    condition     = keys(module.ec2_fleet) == ["api", "worker"] && length(module.ecs_fleet) == 0
    error_message = "One module for both services."
  }

  assert {
    condition     = local.services.api.requests.resource_label == "app/atelier-api/1111111111111111/targetgroup/api/2222222222222222" && local.services.api.requests.per_target_per_minute == 6000
    error_message = "The API scales on requests,"
  }

  assert {
    condition     = local.services.api.scaling.cpu_percent == 70 && local.services.api.capacity.min == 2 && local.services.api.capacity.max == 6
    error_message = "and on CPU, from 2 to 6."
  }

  assert {
    condition     = aws_lb_target_group.api[0].target_type == "instance" && one(aws_lb_target_group.api[0].health_check).path == "/health/live" && aws_lb_target_group.api[0].port == 8080
    error_message = "The load balancer asks whether an instance is ready."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.service : repository.image_tag_mutability == "IMMUTABLE"])
    error_message = "A tag always means the same image, so that a rollback is one."
  }

  assert {
    condition = alltrue([
      for name in ["S3_BUCKET_NAME", "CLOUDFRONT_DOMAIN", "AWS_REGION", "BEDROCK_REGION", "BEDROCK_MODELS", "SQS_QUEUE_URL", "SQS_DEAD_LETTER_QUEUE_URL", "CLAIM_SECONDS", "GRACE_SECONDS", "MAX_ATTEMPTS", "GIVE_UP_SECONDS", "REUSE", "BUDGET_USD_PER_DAY", "BUDGET_USD_PER_TEACHER_PER_DAY", "LISTEN_ADDR", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] :
      contains(keys(local.services.api.environment), name) && contains(keys(local.services.worker.environment), name)
    ])
    error_message = "Both get the whole environment."
  }
}

run "api_policies" {
  command = plan

  module {
    source = "./modules/ec2-fleet"
  }

  variables {
    name        = "atelier-worker"
    image       = "registry.example.org/atelier-worker:1.2.3"
    port        = 8081
    environment = { S3_BUCKET_NAME = "images-bucket", CLOUDFRONT_DOMAIN = "d1.cloudfront.net", AWS_REGION = "us-west-2", QUOTED = "it's" }
    secrets     = { STORE_URL = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }
    role        = { name = "atelier-worker", arn = "arn:aws:iam::123456789012:role/atelier-worker", execution_arn = "arn:aws:iam::123456789012:role/atelier-execution" }
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    size        = { instance_types = ["c6i.large", "c6a.large"], cpu = 1024, memory = 2048 }
    capacity    = { min = 0, max = 4, on_demand_base = 1, spot_percent = 80 }
    scaling = {
      cpu_percent                = 70
      metric_period_seconds      = 60
      boot_seconds               = 60
      scale_out_cooldown_seconds = 60
      scale_in_cooldown_seconds  = 300
      requests                   = { resource_label = "app/api/1/targetgroup/api/2", per_target_per_minute = 6000 }
    }
    grace_seconds = 25
    region        = "us-west-2"
    log_group     = "/atelier/worker"
    collector     = { image = "collector:1", config = "receivers: {}" }
  }

  assert {
    condition     = one(aws_autoscaling_policy.requests[0].target_tracking_configuration).target_value == 6000 && one(one(aws_autoscaling_policy.requests[0].target_tracking_configuration).predefined_metric_specification).predefined_metric_type == "ALBRequestCountPerTarget"
    error_message = "Requests for one target."
  }

  assert {
    condition     = length(aws_autoscaling_policy.backlog) == 0 && length(aws_autoscaling_policy.backlog_high_resolution) == 0 && length(aws_autoscaling_policy.wake) == 0
    error_message = "The API has no backlog."
  }
}
