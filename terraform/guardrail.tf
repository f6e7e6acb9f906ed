# The guardrail that sees every prompt before a model does. It is made by hand or elsewhere: what a
# school forbids is for the school to say.

locals {
  guardrail_environment = var.guardrail_id == null ? {} : { GUARDRAIL_ID = var.guardrail_id, GUARDRAIL_VERSION = var.guardrail_version }

  guardrail_statements = [for id in var.guardrail_id[*] : {
    Sid      = "Guardrail"
    Effect   = "Allow"
    Action   = "bedrock:ApplyGuardrail"
    Resource = startswith(id, "arn:") ? id : "arn:${local.partition}:bedrock:${var.bedrock_region}:${local.account_id}:guardrail/${id}"
  }]
}
