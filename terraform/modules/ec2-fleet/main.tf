# A service on an Auto Scaling Group: each instance runs one container of it under systemd, the
# collector beside it, and a watcher that turns a lifecycle or spot notice into a drain.

data "aws_ssm_parameter" "base_image" {
  count = var.size.ami_id == null ? 1 : 0

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

locals {
  drain_hook  = "${var.name}-drain"
  launch_hook = "${var.name}-launch"

  # systemd and Docker wait a little longer than the service takes at most.
  stop_seconds = var.grace_seconds + 5

  user_data = templatefile("${path.module}/user-data.sh.tftpl", {
    name             = var.name
    image            = var.image
    region           = var.region
    environment      = var.environment
    secrets          = var.secrets
    log_group        = var.log_group
    stop_seconds     = local.stop_seconds
    drain_hook       = local.drain_hook
    collector_image  = var.collector.image
    collector_config = var.collector.config
    run_script       = file("${path.module}/files/run.sh")
    drain_script     = file("${path.module}/files/drain.sh")
    watch_script     = file("${path.module}/files/watch.sh")
    launch_hook      = local.launch_hook
    port             = var.port
  })
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  role = var.role.name
}

resource "aws_launch_template" "this" {
  name_prefix            = "${var.name}-"
  image_id               = var.size.ami_id == null ? data.aws_ssm_parameter.base_image[0].insecure_value : var.size.ami_id
  instance_type          = var.size.instance_types[0]
  vpc_security_group_ids = var.network.security_group_ids
  user_data              = base64encode(local.user_data)
  update_default_version = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  # IMDSv2 only. The containers use the host's network, so one hop is enough.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # CPU every minute instead of every five: scaling out within five minutes needs it.
  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      encrypted             = true
      volume_type           = "gp3"
      volume_size           = 16
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = var.name }
  }

  lifecycle {
    precondition {
      condition     = length(local.user_data) <= 16384
      error_message = "The user data of ${var.name} is longer than EC2's 16 KiB."
    }
  }
}

resource "aws_autoscaling_group" "this" {
  name                      = var.name
  min_size                  = var.capacity.min
  max_size                  = var.capacity.max
  vpc_zone_identifier       = var.network.subnet_ids
  target_group_arns         = var.network.target_group_arn == null ? [] : [var.network.target_group_arn]
  health_check_type         = var.network.target_group_arn == null ? "EC2" : "ELB"
  health_check_grace_period = 2 * var.scaling.boot_seconds
  default_instance_warmup   = var.scaling.boot_seconds
  capacity_rebalance        = true
  # A release must not be reported as done before its instances serve; the refresh sees to that.
  wait_for_capacity_timeout = "0"

  # The backlog a worker is divided by GroupInServiceInstances, which has to be asked for.
  metrics_granularity = "1Minute"
  enabled_metrics     = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances", "GroupTerminatingInstances"]

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = var.capacity.on_demand_base
      on_demand_percentage_above_base_capacity = 100 - var.capacity.spot_percent
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.this.id
        version            = aws_launch_template.this.latest_version
      }

      dynamic "override" {
        for_each = var.size.instance_types

        content {
          instance_type = override.value
        }
      }
    }
  }

  # In the group from its first instance on, so that none ends without its drain. The instance
  # says when it is done; the timeout is for one that cannot speak any more.
  initial_lifecycle_hook {
    name                 = local.drain_hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = max(120, 2 * local.stop_seconds)
    default_result       = "CONTINUE"
  }

  # In service only once the service lives; the instance says so, or is given up. So a release that
  # crashes replaces nobody: its instances never count as healthy.
  initial_lifecycle_hook {
    name                 = local.launch_hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 600
    default_result       = "ABANDON"
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      instance_warmup        = var.scaling.boot_seconds
      auto_rollback          = true
    }
  }

  tag {
    key                 = "Name"
    value               = var.name
    propagate_at_launch = true
  }

  lifecycle {
    # Scaling's, not Terraform's.
    ignore_changes = [desired_capacity]
  }
}

# Targets to track. AWS makes the alarms: out after 3 periods above the target, in after 15 below.

resource "aws_autoscaling_policy" "backlog" {
  count = var.scaling.backlog == null ? 0 : 1

  name                      = "${var.name}-backlog"
  autoscaling_group_name    = aws_autoscaling_group.this.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = var.scaling.boot_seconds

  target_tracking_configuration {
    target_value = var.scaling.backlog.per_worker

    customized_metric_specification {
      metrics {
        id          = "backlog"
        label       = "Jobs waiting for one worker"
        expression  = "visible / IF(running > 0, running, 1)"
        return_data = true
      }

      metrics {
        id          = "visible"
        return_data = false

        metric_stat {
          stat   = "Average"
          period = var.scaling.metric_period_seconds

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"

            dimensions {
              name  = "QueueName"
              value = var.scaling.backlog.queue_name
            }
          }
        }
      }

      metrics {
        id          = "running"
        return_data = false

        metric_stat {
          stat   = "Average"
          period = var.scaling.metric_period_seconds

          metric {
            namespace   = "AWS/AutoScaling"
            metric_name = "GroupInServiceInstances"

            dimensions {
              name  = "AutoScalingGroupName"
              value = aws_autoscaling_group.this.name
            }
          }
        }
      }
    }
  }
}

# The same by a metric that comes every few seconds, out only: in, and where the metric is silent, the
# policy above decides.
resource "aws_autoscaling_policy" "backlog_high_resolution" {
  count = try(var.scaling.backlog.high_resolution, null) == null ? 0 : 1

  name                      = "${var.name}-backlog-high-resolution"
  autoscaling_group_name    = aws_autoscaling_group.this.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = var.scaling.boot_seconds

  target_tracking_configuration {
    target_value     = var.scaling.backlog.per_worker
    disable_scale_in = true

    customized_metric_specification {
      metrics {
        id          = "backlog"
        label       = "Jobs waiting for one worker"
        return_data = true

        metric_stat {
          stat   = "Average"
          period = var.scaling.backlog.high_resolution.period_seconds

          metric {
            namespace   = var.scaling.backlog.high_resolution.namespace
            metric_name = var.scaling.backlog.high_resolution.metric_name

            dimensions {
              name  = "QueueName"
              value = var.scaling.backlog.queue_name
            }
          }
        }
      }
    }
  }
}

# Below its target the backlog adds nobody, and for no worker the target is as high as for one. So
# where the group may be empty, the first job that waits starts one; the backlog does the rest.

locals {
  wakes        = var.scaling.backlog != null && var.capacity.min == 0
  wake_seconds = var.scaling.boot_seconds + 2 * var.scaling.metric_period_seconds
}

resource "aws_autoscaling_policy" "wake" {
  count = local.wakes ? 1 : 0

  name                   = "${var.name}-wake"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "StepScaling"
  adjustment_type        = "ChangeInCapacity"
  # The alarm still rings while the first one boots and its metric is late; none is added meanwhile.
  estimated_instance_warmup = local.wake_seconds

  step_adjustment {
    metric_interval_lower_bound = 0
    scaling_adjustment          = 1
  }
}

resource "aws_cloudwatch_metric_alarm" "wake" {
  count = local.wakes ? 1 : 0

  alarm_name          = "${var.name}-wake"
  alarm_description   = "Jobs wait and no worker runs: one is started. Nobody has to do anything."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = aws_autoscaling_policy.wake[*].arn

  metric_query {
    id          = "unattended"
    label       = "Jobs waiting while no worker runs"
    expression  = "IF(FILL(running, REPEAT) > 0, 0, visible)"
    return_data = true
  }

  metric_query {
    id = "visible"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = var.scaling.backlog.queue_name }
      period      = var.scaling.metric_period_seconds
      stat        = "Average"
    }
  }

  metric_query {
    id = "running"

    metric {
      namespace   = "AWS/AutoScaling"
      metric_name = "GroupInServiceInstances"
      dimensions  = { AutoScalingGroupName = aws_autoscaling_group.this.name }
      period      = var.scaling.metric_period_seconds
      stat        = "Average"
    }
  }
}

resource "aws_autoscaling_policy" "cpu" {
  name                      = "${var.name}-cpu"
  autoscaling_group_name    = aws_autoscaling_group.this.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = var.scaling.boot_seconds

  target_tracking_configuration {
    target_value = var.scaling.cpu_percent

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

resource "aws_autoscaling_policy" "requests" {
  count = var.scaling.requests == null ? 0 : 1

  name                      = "${var.name}-requests"
  autoscaling_group_name    = aws_autoscaling_group.this.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = var.scaling.boot_seconds

  target_tracking_configuration {
    target_value = var.scaling.requests.per_target_per_minute

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = var.scaling.requests.resource_label
    }
  }
}
