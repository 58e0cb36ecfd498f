//! Model versions and promotions on the wire.

use crate::domain::{self, ModelVersionId};
use crate::pb::retraction::reason;
use crate::pb::task::text;
use crate::pb::{self, WireError, json, time};

/// Longest name of a version. Ours have 16 bytes.
const MAX_VERSION_BYTES: usize = 64;

impl From<domain::Origin> for pb::Origin {
    fn from(origin: domain::Origin) -> Self {
        match origin {
            domain::Origin::Shipped => Self::Shipped,
            domain::Origin::Trained => Self::Trained,
            domain::Origin::Imported => Self::Imported,
        }
    }
}

impl From<&domain::ModelVersion> for pb::ModelVersion {
    fn from(version: &domain::ModelVersion) -> Self {
        Self {
            task: version.task.to_string(),
            version: version.id.to_string(),
            origin: pb::Origin::from(version.origin).into(),
            run: version.run.map(|run| run.0),
            trained_up_to: version.trained_up_to.map(|sequence| sequence.0),
            report: version.report.as_ref().map(json::encode),
            decision: version.decision.as_ref().map(json::encode),
            created_at: Some(time::encode(version.created_at)),
            is_champion: version.is_champion,
            is_kept: version.is_kept,
        }
    }
}

impl From<&domain::Promotion> for pb::Promotion {
    fn from(promotion: &domain::Promotion) -> Self {
        Self {
            promotion: promotion.id.0,
            task: promotion.task.to_string(),
            from_version: promotion.from.as_ref().map(ToString::to_string),
            to_version: promotion.to.to_string(),
            who: promotion.who.clone(),
            why: promotion.why.clone(),
            promoted_at: Some(time::encode(promotion.promoted_at)),
            rolls_back: promotion.rolls_back.map(|promotion| promotion.0),
        }
    }
}

/// The version in the field of that name.
///
/// # Errors
/// Naming the field, when no version can be called that.
pub fn version_id(field: &str, name: &str) -> Result<ModelVersionId, WireError> {
    if (1..=MAX_VERSION_BYTES).contains(&name.len()) && !name.contains(char::is_control) {
        return Ok(ModelVersionId(name.to_owned()));
    }
    let reason = format!("has not 1 to {MAX_VERSION_BYTES} bytes without control characters");
    Err(WireError::new(field, reason))
}

/// Another champion that is asked for. The task is left to who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromotionRequest {
    /// The version to be champion.
    pub version: ModelVersionId,
    /// The champion it is to replace, `None` where there is to be none.
    pub expected: Option<ModelVersionId>,
    /// A user.
    pub who: String,
    /// For people.
    pub why: String,
}

impl pb::PromoteModelVersionRequest {
    /// What is asked for.
    ///
    /// # Errors
    /// Naming the field that is not what it should be; an expected champion that is left out is wrong, so that
    /// nobody replaces one unseen.
    pub fn decode(self) -> Result<PromotionRequest, WireError> {
        let expected = match self.expected_champion.as_deref() {
            None => {
                return Err(WireError::new("expected_champion", "is not given: empty where there is none"));
            }
            Some("") => None,
            Some(version) => Some(version_id("expected_champion", version)?),
        };
        Ok(PromotionRequest {
            version: version_id("version", &self.version)?,
            expected,
            who: text("who", &self.who)?,
            why: reason("why", self.why)?,
        })
    }
}

/// A champion that is to be taken back. The task is left to who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackRequest {
    /// The champion.
    pub expected: ModelVersionId,
    /// A user.
    pub who: String,
    /// For people.
    pub why: String,
}

impl pb::RollbackModelVersionRequest {
    /// What is asked for.
    ///
    /// # Errors
    /// Naming the field that is not what it should be.
    pub fn decode(self) -> Result<RollbackRequest, WireError> {
        Ok(RollbackRequest {
            expected: version_id("expected_champion", &self.expected_champion)?,
            who: text("who", &self.who)?,
            why: reason("why", self.why)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Origin, PromotionId, RunId, Sequence, TaskName, Timestamp};
    use serde_json::json;

    use super::*;

    #[test]
    fn all_of_a_version_is_said() {
        let version = domain::ModelVersion {
            id: ModelVersionId("v".into()),
            task: TaskName::new("t").expect("a name"),
            origin: Origin::Trained,
            run: Some(RunId(3)),
            trained_up_to: Some(Sequence(9)),
            report: Some(json!({"n_rows": 8})),
            decision: None,
            created_at: Timestamp { unix_micros: 2_000_000 },
            is_champion: true,
            is_kept: true,
        };
        let message = pb::ModelVersion::from(&version);
        assert_eq!(message.report.clone().map(json::decode), version.report);
        let expected = pb::ModelVersion {
            task: "t".into(),
            version: "v".into(),
            origin: pb::Origin::Trained.into(),
            run: Some(3),
            trained_up_to: Some(9),
            report: message.report.clone(),
            decision: None,
            created_at: Some(prost_types::Timestamp { seconds: 2, nanos: 0 }),
            is_champion: true,
            is_kept: true,
        };
        assert_eq!(message, expected);
    }

    #[test]
    fn all_of_a_promotion_is_said() {
        let promotion = domain::Promotion {
            id: PromotionId(4),
            task: TaskName::new("t").expect("a name"),
            from: None,
            to: ModelVersionId("v".into()),
            who: "run 3".into(),
            why: "first".into(),
            promoted_at: Timestamp { unix_micros: 2_000_000 },
            rolls_back: Some(PromotionId(3)),
        };
        let expected = pb::Promotion {
            promotion: 4,
            task: "t".into(),
            from_version: None,
            to_version: "v".into(),
            who: "run 3".into(),
            why: "first".into(),
            promoted_at: Some(prost_types::Timestamp { seconds: 2, nanos: 0 }),
            rolls_back: Some(3),
        };
        assert_eq!(pb::Promotion::from(&promotion), expected);
    }

    fn promote(expected_champion: Option<&str>) -> pb::PromoteModelVersionRequest {
        pb::PromoteModelVersionRequest {
            task: "t".into(),
            version: "b".into(),
            expected_champion: expected_champion.map(str::to_owned),
            who: "ada".into(),
            why: "better".into(),
        }
    }

    #[test]
    fn that_no_champion_is_expected_must_be_said() {
        assert_eq!(promote(Some("")).decode().expect("none is expected").expected, None);
        let expected = promote(Some("a")).decode().expect("one is expected").expected;
        assert_eq!(expected, Some(ModelVersionId("a".into())));
        assert_eq!(promote(None).decode().expect_err("nothing is said").field(), "expected_champion");
    }

    #[test]
    fn a_promotion_says_which_version_who_and_why() {
        type Request = pb::PromoteModelVersionRequest;
        let refused = |change: fn(&mut Request)| {
            let mut request = promote(Some("a"));
            change(&mut request);
            request.decode().expect_err("a wrong field").field().to_owned()
        };
        assert_eq!(refused(|request| request.version.clear()), "version");
        assert_eq!(refused(|request| request.version = "x".repeat(65)), "version");
        assert_eq!(refused(|request| request.expected_champion = Some("\0".into())), "expected_champion");
        assert_eq!(refused(|request| request.who.clear()), "who");
        assert_eq!(refused(|request| request.who = "a\nb".into()), "who");
        assert_eq!(refused(|request| request.why.clear()), "why");
        assert_eq!(refused(|request| request.why = "x".repeat(1_025)), "why");
        let rollback = pb::RollbackModelVersionRequest::default().decode().expect_err("no champion");
        assert_eq!(rollback.field(), "expected_champion");
    }
}
