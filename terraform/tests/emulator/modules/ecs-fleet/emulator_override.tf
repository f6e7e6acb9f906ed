# moto cannot list the tags of a scalable target, which the provider asks for, so scaling is left out.

resource "aws_appautoscaling_target" "this" {
  count = 0
}

resource "aws_appautoscaling_policy" "backlog" {
  count = 0

  service_namespace  = "ecs"
  resource_id        = "none"
  scalable_dimension = "none"
}

resource "aws_appautoscaling_policy" "cpu" {
  count = 0

  service_namespace  = "ecs"
  resource_id        = "none"
  scalable_dimension = "none"
}

resource "aws_appautoscaling_policy" "requests" {
  count = 0

  service_namespace  = "ecs"
  resource_id        = "none"
  scalable_dimension = "none"
}
