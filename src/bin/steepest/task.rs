//! What a model predicts, in words.

use steepest::data::Target;

/// What always says the same, in words.
pub fn always(target: &Target) -> &'static str {
    match target {
        Target::Values { .. } => "always the mean",
        Target::Classes { .. } => "always the most frequent class",
        Target::Labels { .. } => "always the more frequent answer",
    }
}

/// The task as `--task` names it.
pub fn name(target: &Target) -> &'static str {
    match target {
        Target::Values { .. } => "regression",
        Target::Classes { .. } => "classes",
        Target::Labels { .. } => "labels",
    }
}

/// The task in words.
pub fn described(target: &Target) -> String {
    match target {
        Target::Values { columns, .. } => format!("predicting the number `{}`", columns.join("`, `")),
        Target::Classes { column, classes } => {
            let some: Vec<String> = classes.iter().take(8).map(|class| format!("`{class}`")).collect();
            let more = if classes.len() > 8 { ", …" } else { "" };
            format!("predicting `{column}`, one of {} classes ({}{more})", classes.len(), some.join(", "))
        }
        Target::Labels { labels, .. } => format!("predicting whether each of `{}` holds", labels.join("`, `")),
    }
}
