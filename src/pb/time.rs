//! Moments on the wire: `google.protobuf.Timestamp`.

use crate::domain::Timestamp;
use crate::pb::WireError;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// The message for a moment.
#[must_use]
pub fn encode(moment: Timestamp) -> prost_types::Timestamp {
    let micros = moment.unix_micros.rem_euclid(MICROS_PER_SECOND);
    prost_types::Timestamp {
        seconds: moment.unix_micros.div_euclid(MICROS_PER_SECOND),
        nanos: i32::try_from(micros * 1_000).expect("less than a second"),
    }
}

/// The moment in the field of that name, without what is finer than a microsecond.
///
/// # Errors
/// Naming the field, when it is no moment between the years -290000 and 290000.
pub fn decode(field: &str, message: &prost_types::Timestamp) -> Result<Timestamp, WireError> {
    if !(0..1_000_000_000).contains(&message.nanos) {
        return Err(WireError::new(format!("{field}.nanos"), "is not from 0 to 999,999,999"));
    }
    let unix_micros =
        i128::from(message.seconds) * i128::from(MICROS_PER_SECOND) + i128::from(message.nanos / 1_000);
    let unix_micros = i64::try_from(unix_micros)
        .map_err(|_| WireError::new(format!("{field}.seconds"), "is out of range"))?;
    Ok(Timestamp { unix_micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_the_wire_before_and_after_the_epoch() {
        for unix_micros in [0, 1, -1, 1_700_000_000_123_456, -1_700_000_000_123_456, i64::MAX, i64::MIN] {
            let moment = Timestamp { unix_micros };
            assert_eq!(decode("at", &encode(moment)), Ok(moment));
        }
    }

    #[test]
    fn what_is_no_moment_is_named() {
        let message = |seconds, nanos| prost_types::Timestamp { seconds, nanos };
        for (message, field) in [
            (message(0, -1), "at.nanos"),
            (message(0, 1_000_000_000), "at.nanos"),
            (message(i64::MAX, 0), "at.seconds"),
        ] {
            assert_eq!(decode("at", &message).expect_err("no moment").field(), field);
        }
    }
}
