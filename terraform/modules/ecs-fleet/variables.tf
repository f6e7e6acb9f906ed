# One interface, two modules: ec2-fleet and ecs-fleet have this same file, and a test keeps it so.

variable "name" {
  description = "Name of the fleet and of all that it creates, for example `atelier-worker`."
  type        = string
}

variable "image" {
  description = "The service's image with its tag."
  type        = string
}

variable "port" {
  description = "Port of the service's health and, where it has one, its API."
  type        = number
}

variable "environment" {
  description = "The service's environment."
  type        = map(string)
}

variable "secrets" {
  description = "Environment names whose values are in Secrets Manager: name -> ARN."
  type        = map(string)
}

variable "role" {
  description = "The service's role; `execution_arn` is ECS's own role and used by `ecs-fleet` only."
  type        = object({ name = string, arn = string, execution_arn = optional(string) })
}

variable "network" {
  description = "Subnets and security groups of the service, and the load balancer's target group, if any."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
    target_group_arn   = optional(string)
  })
}

variable "size" {
  description = "Size of one instance (`ec2-fleet`: `instance_types`, `ami_id`) or task (`ecs-fleet`: `cpu` units, `memory` in MiB)."
  type = object({
    instance_types = list(string)
    ami_id         = optional(string)
    cpu            = number
    memory         = number
  })
}

variable "capacity" {
  description = "Least and largest number; how many at least are on demand, and the spot share in percent of those above."
  type = object({
    min            = number
    max            = number
    on_demand_base = number
    spot_percent   = number
  })

  validation {
    condition     = var.capacity.min >= 0 && var.capacity.max >= max(var.capacity.min, 1)
    error_message = "capacity.max must be at least 1 and at least capacity.min."
  }
}

variable "scaling" {
  description = "Targets to track: CPU in percent, and the jobs waiting for one worker (`backlog`, by SQS each minute and by a metric of `high_resolution`) or the requests for one target (`requests`); with times in seconds."
  type = object({
    cpu_percent                = number
    metric_period_seconds      = number
    boot_seconds               = number
    scale_out_cooldown_seconds = number
    scale_in_cooldown_seconds  = number
    backlog = optional(object({
      queue_name      = string
      per_worker      = number
      high_resolution = optional(object({ namespace = string, metric_name = string, period_seconds = number }))
    }))
    requests = optional(object({ resource_label = string, per_target_per_minute = number }))
  })
}

variable "grace_seconds" {
  description = "What the service may use to drain after it was told to stop."
  type        = number
}

variable "region" {
  description = "The stack's region."
  type        = string
}

variable "log_group" {
  description = "CloudWatch log group of the service's output."
  type        = string
}

variable "collector" {
  description = "The ADOT collector beside the service: image and configuration (YAML)."
  type        = object({ image = string, config = string })
}
