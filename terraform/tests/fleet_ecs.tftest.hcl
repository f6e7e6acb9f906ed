# Fleet "ecs": Fargate.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "./tests/mocks"
  override_during = plan
}

run "chosen" {
  command = plan

  variables {
    fleet = "ecs"
  }

  assert {
    condition     = keys(module.ecs_fleet) == ["api", "worker"] && length(module.ec2_fleet) == 0
    error_message = "One module for both services."
  }

  assert {
    condition     = aws_lb_target_group.api[0].target_type == "ip"
    error_message = "The load balancer reaches tasks by address."
  }

  assert {
    condition     = output.fleet_names == { api = "atelier-api", worker = "atelier-worker" }
    error_message = "The same names as on EC2."
  }
}

# Feature: s3-image-storage, Property 29: High availability during scaling
run "scaling_events_cost_nothing" {
  command = plan

  module {
    source = "./modules/ecs-fleet"
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
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 120
    error_message = "SIGTERM, then two minutes."
  }

  assert {
    condition     = one(aws_ecs_service.this.deployment_circuit_breaker).enable && one(aws_ecs_service.this.deployment_circuit_breaker).rollback
    error_message = "A release that fails is rolled back."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 100
    error_message = "A replacement comes first."
  }
}

run "task" {
  command = plan

  module {
    source = "./modules/ecs-fleet"
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
    condition     = { for strategy in aws_ecs_service.this.capacity_provider_strategy : strategy.capacity_provider => "${coalesce(strategy.base, 0)} ${strategy.weight}" } == { FARGATE = "1 20", FARGATE_SPOT = "0 80" }
    error_message = "One on demand, 80% of the rest on spot."
  }

  assert {
    condition     = { for setting in aws_ecs_cluster.this.setting : setting.name => setting.value } == { containerInsights = "enabled" }
    error_message = "Container Insights says how many run."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && jsondecode(aws_ecs_task_definition.this.container_definitions)[1].name == "collector"
    error_message = "A read-only root, and the collector beside it."
  }

  assert {
    condition     = { for pair in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : pair.name => pair.value }["S3_BUCKET_NAME"] == "images-bucket"
    error_message = "The environment is the task's."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [{ name = "STORE_URL", valueFrom = "arn:aws:secretsmanager:us-west-2:123456789012:secret:store-url" }]
    error_message = "The store's address comes from its secret."
  }

  assert {
    condition     = aws_ecs_task_definition.this.task_role_arn == "arn:aws:iam::123456789012:role/atelier-worker" && aws_ecs_task_definition.this.execution_role_arn == "arn:aws:iam::123456789012:role/atelier-execution"
    error_message = "The task bears the service's role; the agent its own."
  }
}

# Feature: s3-image-storage, Property 27: Auto-scaling trigger
run "scaling_policies" {
  command = plan

  module {
    source = "./modules/ecs-fleet"
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
    condition     = one(aws_appautoscaling_policy.cpu.target_tracking_scaling_policy_configuration).target_value == 70
    error_message = "CPU at 70%."
  }

  assert {
    condition = (
      one(aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration).target_value == 48 &&
      one(aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration).scale_out_cooldown == 60 &&
      one(aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration).scale_in_cooldown == 300
    )
    error_message = "48 jobs waiting for one worker; out fast, in slow."
  }

  assert {
    condition = [
      for metric in one(one(aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration).customized_metric_specification).metrics : metric.expression if metric.return_data == true
    ] == ["visible / IF(running > 0, running, 1)"]
    error_message = "The backlog a worker, also where none runs."
  }

  assert {
    condition = {
      for metric in one(one(aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration).customized_metric_specification).metrics :
      metric.id => "${one(one(metric.metric_stat).metric).namespace} ${one(one(metric.metric_stat).metric).metric_name}" if metric.id != "backlog"
    } == { visible = "AWS/SQS ApproximateNumberOfMessagesVisible", running = "ECS/ContainerInsights RunningTaskCount" }
    error_message = "From the queue and Container Insights."
  }

  assert {
    condition     = aws_appautoscaling_target.this.min_capacity == 0 && aws_appautoscaling_target.this.max_capacity == 4
    error_message = "From 0 to the maximum."
  }
}

# Feature: s3-image-storage, Property 27: Auto-scaling trigger
run "the_first_job_wakes_an_empty_fleet" {
  command = plan

  module {
    source = "./modules/ecs-fleet"
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
    condition     = aws_appautoscaling_policy.wake[0].policy_type == "StepScaling" && one(aws_appautoscaling_policy.wake[0].step_scaling_policy_configuration).adjustment_type == "ChangeInCapacity"
    error_message = "It only ever adds."
  }

  assert {
    condition     = one(one(aws_appautoscaling_policy.wake[0].step_scaling_policy_configuration).step_adjustment).scaling_adjustment == 1 && tonumber(one(one(aws_appautoscaling_policy.wake[0].step_scaling_policy_configuration).step_adjustment).metric_interval_lower_bound) == 0
    error_message = "One worker."
  }

  assert {
    condition     = one(aws_appautoscaling_policy.wake[0].step_scaling_policy_configuration).cooldown == 60 + 2 * 60
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
    condition     = aws_cloudwatch_metric_alarm.wake[0].alarm_actions == toset([aws_appautoscaling_policy.wake[0].arn])
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
    } == { visible = "AWS/SQS ApproximateNumberOfMessagesVisible 60", running = "ECS/ContainerInsights RunningTaskCount 60" }
    error_message = "From the same metrics as the backlog, once a minute."
  }
}

run "a_fleet_that_is_never_empty_needs_no_wake" {
  command = plan

  module {
    source = "./modules/ecs-fleet"
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
    condition     = length(aws_appautoscaling_policy.wake) == 0 && length(aws_cloudwatch_metric_alarm.wake) == 0
    error_message = "The backlog alone scales it."
  }
}
