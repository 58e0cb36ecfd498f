//! How model versions and promotions are printed.

use serde::Serialize;
use serde_json::Value;

use crate::pb::{self, json};

/// A version, with the names of the wire.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    task: String,
    version: String,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_up_to: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    is_champion: bool,
    is_kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Value>,
}

impl From<pb::ModelVersion> for Record {
    fn from(version: pb::ModelVersion) -> Self {
        Self {
            origin: match version.origin() {
                pb::Origin::Unspecified => "unspecified",
                pb::Origin::Shipped => "shipped",
                pb::Origin::Trained => "trained",
                pb::Origin::Imported => "imported",
            },
            task: version.task,
            version: version.version,
            run: version.run,
            trained_up_to: version.trained_up_to,
            created_at: version.created_at.map(|moment| moment.to_string()),
            is_champion: version.is_champion,
            is_kept: version.is_kept,
            report: version.report.map(json::decode),
            decision: version.decision.map(json::decode),
        }
    }
}

/// A promotion, with the names of the wire. What is null was not there: a champion before the first.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    promotion: i64,
    task: String,
    from_version: Option<String>,
    to_version: String,
    who: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    promoted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolls_back: Option<i64>,
}

impl From<pb::Promotion> for Change {
    fn from(promotion: pb::Promotion) -> Self {
        Self {
            promotion: promotion.promotion,
            task: promotion.task,
            from_version: promotion.from_version,
            to_version: promotion.to_version,
            who: promotion.who,
            why: promotion.why,
            promoted_at: promotion.promoted_at.map(|moment| moment.to_string()),
            rolls_back: promotion.rolls_back,
        }
    }
}
