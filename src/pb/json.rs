//! Reports and decisions on the wire: JSON objects as `google.protobuf.Struct`.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::{Map, Number};

/// What is no object is given as one with this field.
const ONLY: &str = "value";

/// Up to here every integer is a number of its own among those of 64 bits with a fraction.
const MAX_EXACT: u64 = 1 << 53;

/// The message for a JSON value, which should be an object. Integers that a `Struct` cannot hold exactly become
/// strings.
#[must_use]
pub fn encode(value: &serde_json::Value) -> Struct {
    match value {
        serde_json::Value::Object(fields) => object(fields),
        other => Struct { fields: [(ONLY.to_owned(), any(other))].into() },
    }
}

fn object(fields: &Map<String, serde_json::Value>) -> Struct {
    Struct { fields: fields.iter().map(|(name, value)| (name.clone(), any(value))).collect() }
}

fn any(value: &serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(bool) => Kind::BoolValue(*bool),
        serde_json::Value::Number(number) => self::number(number),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(any).collect() })
        }
        serde_json::Value::Object(fields) => Kind::StructValue(object(fields)),
    };
    Value { kind: Some(kind) }
}

fn number(number: &Number) -> Kind {
    let is_exact = match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => integer.unsigned_abs() <= MAX_EXACT,
        (None, Some(_)) => false,
        (None, None) => true,
    };
    match number.as_f64() {
        Some(float) if is_exact => Kind::NumberValue(float),
        _ => Kind::StringValue(number.to_string()),
    }
}

/// The JSON object of a message. Whole numbers become integers.
#[must_use]
pub fn decode(message: Struct) -> serde_json::Value {
    message.fields.into_iter().map(|(name, value)| (name, json(value))).collect()
}

fn json(value: Value) -> serde_json::Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(bool)) => bool.into(),
        Some(Kind::NumberValue(float)) if float.fract() == 0.0 && float.abs() <= MAX_EXACT as f64 => {
            (float as i64).into()
        }
        Some(Kind::NumberValue(float)) => float.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
        Some(Kind::StructValue(fields)) => decode(fields),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_survives_the_wire() {
        let report = json!({
            "tau": 0.939, "n_rows": 4688, "negative": -3, "zero": 0, "exact": 9_007_199_254_740_992_i64,
            "is_promoted": true, "reason": "better", "nothing": null, "steps": [{"budget": 12}, []],
        });
        assert_eq!(decode(encode(&report)), report);
    }

    #[test]
    fn integers_that_are_no_longer_exact_are_text_and_what_is_no_object_has_a_name() {
        let seeds = json!({"seed": u64::MAX, "low": i64::MIN, "large": 1e300});
        let expected = json!({"seed": "18446744073709551615", "low": "-9223372036854775808", "large": 1e300});
        assert_eq!(decode(encode(&seeds)), expected);
        assert_eq!(decode(encode(&json!([1]))), json!({"value": [1]}));
    }
}
