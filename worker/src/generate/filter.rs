//! The words by which content filters and guardrails are known.

/// Whether a text says that the content of prompt or picture is not allowed.
pub(super) fn declines(text: &str) -> bool {
    const PHRASES: [&str; 24] = [
        "content filter",
        "content_filter",
        "contentfilter",
        "content policy",
        "content_policy",
        "content moderation",
        "content_moderation",
        "moderation system",
        "filter reason",
        "responsible ai",
        "responsible_ai",
        "safety filter",
        "safety system",
        "safety policy",
        "our filters",
        "flagged by our",
        "guardrail intervened",
        "guardrail_intervened",
        "blocked by guardrail",
        "blocked by the guardrail",
        "inappropriate content",
        "sensitive content",
        "harmful content",
        "nsfw",
    ];
    let text = text.to_lowercase();
    PHRASES.iter().any(|phrase| text.contains(phrase))
}
