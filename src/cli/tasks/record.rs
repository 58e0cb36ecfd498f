//! How a task is printed.

use serde::Serialize;

use crate::pb;

/// A task, with the names of the wire.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    name: String,
    search_space: String,
    dataset: String,
    metric: String,
    goal: &'static str,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_range: Option<RangeRecord>,
    budgets: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holdout_share: Option<f64>,
    holdout_salt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retraining_policy: Option<PolicyRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saliency_proxy: Option<SaliencyProxyRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_at: Option<String>,
    last_sequence: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    promotion_paused_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct RangeRecord {
    min: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct SaliencyProxyRecord {
    name: String,
    seed: u32,
}

/// What is null is not set: a run is never due for staleness alone.
#[derive(Debug, Serialize)]
struct PolicyRecord {
    is_enabled: Option<bool>,
    min_observations: Option<u32>,
    min_new_observations: Option<u32>,
    min_new_share: Option<f64>,
    cool_down_s: Option<u32>,
    max_staleness_s: Option<u32>,
    starts_warm: Option<bool>,
    gate: Option<GateRecord>,
}

#[derive(Debug, Serialize)]
struct GateRecord {
    min_holdout: Option<u32>,
    max_tau_loss: Option<f64>,
}

impl From<pb::Task> for Record {
    fn from(task: pb::Task) -> Self {
        Self {
            goal: match task.goal() {
                pb::Goal::Unspecified => "unspecified",
                pb::Goal::Maximize => "maximize",
                pb::Goal::Minimize => "minimize",
            },
            unit: match task.unit() {
                pb::Unit::Unspecified => "unspecified",
                pb::Unit::Percent => "percent",
                pb::Unit::Fraction => "fraction",
                pb::Unit::None => "none",
            },
            name: task.name,
            search_space: task.search_space,
            dataset: task.dataset,
            metric: task.metric,
            valid_range: task.valid_range.map(|range| RangeRecord { min: range.min, max: range.max }),
            budgets: task.budgets,
            holdout_share: task.holdout_share,
            holdout_salt: task.holdout_salt,
            retraining_policy: task.retraining_policy.map(Into::into),
            saliency_proxy: task
                .saliency_proxy
                .map(|proxy| SaliencyProxyRecord { name: proxy.name, seed: proxy.seed }),
            created_at: task.created_at.map(|moment| moment.to_string()),
            archived_at: task.archived_at.map(|moment| moment.to_string()),
            last_sequence: task.last_sequence,
            promotion_paused_at: task.promotion_paused_at.map(|moment| moment.to_string()),
        }
    }
}

impl From<pb::RetrainingPolicy> for PolicyRecord {
    fn from(policy: pb::RetrainingPolicy) -> Self {
        Self {
            is_enabled: policy.is_enabled,
            min_observations: policy.min_observations,
            min_new_observations: policy.min_new_observations,
            min_new_share: policy.min_new_share,
            cool_down_s: policy.cool_down_s,
            max_staleness_s: policy.max_staleness_s,
            starts_warm: policy.starts_warm,
            gate: policy
                .gate
                .map(|gate| GateRecord { min_holdout: gate.min_holdout, max_tau_loss: gate.max_tau_loss }),
        }
    }
}
