output "running_metric" {
  description = "CloudWatch metric of how many run: namespace, name, then dimension names and values."
  value       = ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", aws_ecs_cluster.this.name, "ServiceName", aws_ecs_service.this.name]
}

output "cpu_metric" {
  description = "CloudWatch metric of their CPU in percent: namespace, name, then dimension names and values."
  value       = ["AWS/ECS", "CPUUtilization", "ClusterName", aws_ecs_cluster.this.name, "ServiceName", aws_ecs_service.this.name]
}

output "fleet_name" {
  description = "Name of the ECS cluster and service."
  value       = aws_ecs_service.this.name
}

output "role_name" {
  description = "Role of the service."
  value       = var.role.name
}

output "wanted_metric" {
  description = "CloudWatch metric of how many should run: namespace, name, then dimension names and values."
  value       = ["ECS/ContainerInsights", "DesiredTaskCount", "ClusterName", aws_ecs_cluster.this.name, "ServiceName", aws_ecs_service.this.name]
}
