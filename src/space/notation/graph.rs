//! `{"cells":[{"n_nodes":3,"edges":[[0,1,"conv"],[1,2,"pool"]]}]}`, or, where operations sit on nodes,
//! `{"cells":[{"operations":["conv"],"edges":[[0,1],[1,2]]}]}`: the explicit graph, which writes architectures of
//! any space.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::ParseError;
use crate::space::{Cell, Edge, GraphError, OperationIndex, Placement, SearchSpace};

pub(super) const CELLS: &str = "cells";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphText {
    cells: Vec<CellText>,
}

/// The number of nodes is written where the operations on them do not tell it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellText {
    #[serde(skip_serializing_if = "Option::is_none")]
    n_nodes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<String>>,
    edges: Vec<EdgeText>,
}

/// `[source, target]`, or `[source, target, "operation"]`.
struct EdgeText {
    source: usize,
    target: usize,
    operation: Option<String>,
}

impl Serialize for EdgeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.operation {
            None => (self.source, self.target).serialize(serializer),
            Some(operation) => (self.source, self.target, operation).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for EdgeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EdgeVisitor)
    }
}

struct EdgeVisitor;

impl<'de> Visitor<'de> for EdgeVisitor {
    type Value = EdgeText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an edge, as [0,1] or [0,1,\"operation\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut edge: A) -> Result<EdgeText, A::Error> {
        let source = edge.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let target = edge.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        let operation = edge.next_element()?;
        if operation.is_some() && edge.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::invalid_length(4, &self));
        }
        Ok(EdgeText { source, target, operation })
    }
}

pub(super) fn print(space: &SearchSpace, cells: &[Cell]) -> String {
    let name = |operation: OperationIndex| space.operation(operation).name.clone();
    let cells = cells.iter().map(|cell| CellText {
        n_nodes: (space.placement == Placement::Edge).then_some(cell.n_nodes),
        operations: (space.placement == Placement::Node)
            .then(|| cell.node_operations.iter().copied().map(name).collect()),
        edges: (cell.edges.iter())
            .map(|edge| EdgeText {
                source: edge.source,
                target: edge.target,
                operation: edge.operation.map(name),
            })
            .collect(),
    });
    serde_json::to_string(&GraphText { cells: cells.collect() }).expect("names and numbers are JSON")
}

pub(super) fn parse(space: &SearchSpace, text: &str) -> Result<Vec<Cell>, ParseError> {
    let graph: GraphText = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        // The place is told apart from the message, which ends with it.
        let found = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
        ParseError::Text {
            column: column(text, &error),
            expected: "a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}".to_owned(),
            found: format!("{found:.120}"), // It quotes what stands there, however long.
        }
    })?;
    let cells = graph.cells.into_iter().enumerate().map(|(index, text)| {
        let within =
            |error: GraphError| GraphError::new(format!("cells[{index}].{}", error.path), error.reason);
        let n_inputs = space.cells.get(index).map_or(1, |shape| shape.n_inputs);
        cell(space, text, n_inputs).map_err(within)
    });
    Ok(cells.collect::<Result<_, _>>()?)
}

/// Which character of the text an error is at, counted from 1; it tells the line, and bytes within it.
fn column(text: &str, error: &serde_json::Error) -> usize {
    let mut lines = text.split('\n');
    let n_before: usize =
        lines.by_ref().take(error.line().saturating_sub(1)).map(|line| line.chars().count() + 1).sum();
    let starts = lines.next().unwrap_or_default().char_indices();
    n_before + starts.take_while(|(start, _)| start + 1 < error.column()).count() + 1
}

fn cell(space: &SearchSpace, text: CellText, n_inputs: usize) -> Result<Cell, GraphError> {
    let node_operations = (text.operations.unwrap_or_default().iter().enumerate())
        .map(|(index, name)| operation(space, &format!("node_operations[{index}]"), name))
        .collect::<Result<Vec<_>, _>>()?;
    let edges = (text.edges.into_iter().enumerate())
        .map(|(index, EdgeText { source, target, operation: name })| {
            let path = format!("edges[{index}].operation");
            let operation = name.map(|name| operation(space, &path, &name)).transpose()?;
            Ok(Edge { source, target, operation })
        })
        .collect::<Result<_, _>>()?;
    let n_nodes = match (text.n_nodes, space.placement) {
        (Some(n_nodes), _) => n_nodes,
        (None, Placement::Node) => n_inputs + node_operations.len() + 1,
        (None, Placement::Edge) => return Err(GraphError::new("n_nodes", "missing")),
    };
    Ok(Cell { n_nodes, node_operations, edges })
}

fn operation(space: &SearchSpace, path: &str, name: &str) -> Result<OperationIndex, GraphError> {
    space.operation_named(name).ok_or_else(|| {
        let known: Vec<_> = space.operations.iter().map(|operation| operation.name.as_str()).collect();
        GraphError::new(path, format!("no operation \"{name:.64}\", only {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use crate::space::SearchSpace;

    fn space(placement: &str) -> Arc<SearchSpace> {
        let definition = r#"
            name = "own"
            description = ""
            placement = "PLACEMENT"
            wiring = { free = { max_edges = 9 } }
            operations = [{ name = "conv", role = "parametrised" }, { name = "skip", role = "skip" }]
            cells = [{ name = "cell", n_nodes = 5, n_inputs = 1, min_nodes = 3 }]
        "#;
        Arc::new(toml::from_str(&definition.replace("PLACEMENT", placement)).expect("sound"))
    }

    const ON_EDGES: &str = r#"{"cells":[{"n_nodes":3,"edges":[[0,1,"conv"],[1,2,"skip"]]}]}"#;
    const ON_NODES: &str = r#"{"cells":[{"operations":["conv"],"edges":[[0,1],[1,2]]}]}"#;

    #[test]
    fn a_faulty_text_is_refused_with_place_and_expectation() {
        let cases = [
            (
                ON_EDGES,
                "",
                "column 1: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found EOF while parsing a value",
            ),
            (
                ON_EDGES,
                "{\"é\":1}",
                "column 4: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found unknown field `é`, expected `cells`",
            ),
            (
                "\"cells\"",
                "\n\"cells\",",
                "column 10: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found expected `:`",
            ),
            (
                "[0,1,\"conv\"]",
                "[0]",
                "column 35: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found invalid length 1, expected an edge, as [0,1] or [0,1,\"operation\"]",
            ),
            (
                "[0,1,\"conv\"]",
                "[0,1,\"conv\",2]",
                "column 46: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found invalid length 4, expected an edge, as [0,1] or [0,1,\"operation\"]",
            ),
            (
                "[0,1,\"conv\"]",
                "[0,-1,\"conv\"]",
                "column 37: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found invalid value: integer `-1`, expected usize",
            ),
            (
                "[0,1,\"conv\"]",
                "{\"source\":0}",
                "column 32: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found invalid type: map, expected an edge, as [0,1] or [0,1,\"operation\"]",
            ),
            ("[0,1,\"conv\"]", "[0,1]", "cells[0].edges[0].operation: missing, operations sit on the edges"),
            (
                "[0,1,\"conv\"]",
                "[0,1,\"pool\"]",
                "cells[0].edges[0].operation: no operation \"pool\", only conv, skip",
            ),
            (
                "[0,1,\"conv\"]",
                "[1,1,\"conv\"]",
                "cells[0].edges[0].source: node 1 is not earlier than the target 1",
            ),
            (
                "[0,1,\"conv\"]",
                "[0,3,\"conv\"]",
                "cells[0].edges[0].target: no edge enters node 3, only 1..3",
            ),
            ("[0,1,\"conv\"]", "[1,2,\"conv\"]", "cells[0].edges[1]: a second edge 1 -> 2"),
            ("\"n_nodes\":3,", "", "cells[0].n_nodes: missing"),
            (
                "\"n_nodes\":3,",
                "\"n_nodes\":99999999999,",
                "cells[0].n_nodes: 99999999999 nodes are not 3 to 5",
            ),
            (
                "\"n_nodes\":3,",
                "\"n_nodes\":3,\"operations\":[\"conv\"],",
                "cells[0].node_operations: 1 operations where 0 belong",
            ),
            (
                "]}]}",
                "]}]}{",
                "column 62: expected a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}, found trailing characters",
            ),
            ("]}]}", "]},{\"n_nodes\":3,\"edges\":[]}]}", "cells: own has 1 cells, not 2"),
        ];
        for (from, to, message) in cases {
            assert!(ON_EDGES.contains(from), "the text has {from:?}");
            let text = ON_EDGES.replacen(from, to, 1);
            assert_eq!(space("edge").parse(&text).expect_err(&text).to_string(), message, "{text}");
        }
    }

    #[test]
    fn on_nodes_operations_tell_the_size_and_edges_have_none() {
        let architecture = space("node").parse(ON_NODES).expect("valid");
        assert_eq!(architecture.cells()[0].n_nodes, 3);
        let cases = [
            ("[0,1]", "[0,1,\"conv\"]", "cells[0].edges[0].operation: operations sit on the nodes only"),
            (
                "[\"conv\"]",
                "[\"pool\"]",
                "cells[0].node_operations[0]: no operation \"pool\", only conv, skip",
            ),
            ("\"edges\"", "\"n_nodes\":4,\"edges\"", "cells[0].node_operations: 1 operations where 2 belong"),
            ("\"operations\":[\"conv\"],", "", "cells[0].n_nodes: 2 nodes are not 3 to 5"),
        ];
        for (from, to, message) in cases {
            let text = ON_NODES.replacen(from, to, 1);
            assert_eq!(space("node").parse(&text).expect_err(&text).to_string(), message, "{text}");
        }
    }

    #[test]
    fn other_spellings_come_to_the_same_text() {
        let spelling =
            "{ \"cells\": [ {\n\"edges\": [[0, 1, \"conv\"], [1, 2, \"skip\"]], \"n_nodes\": 3} ] }\n";
        assert_eq!(space("edge").parse(spelling).expect("valid").text(), ON_EDGES);
        let turned = "{\"cells\":[{\"edges\":[[1,2],[0,1]],\"operations\":[\"conv\"],\"n_nodes\":3}]}";
        assert_eq!(space("node").parse(turned).expect("valid").text(), ON_NODES);
    }

    #[test]
    fn samples_are_read_as_they_are_printed() {
        for space in [space("edge"), space("node")] {
            for architecture in space.sample(200, 5) {
                let read = space.parse(architecture.text()).expect("printed by the space itself");
                assert_eq!((read.cells(), read.text()), (architecture.cells(), architecture.text()));
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(
            text in "(\\{|\\}|\\[|\\]|,|:|\"|\"cells\"|\"edges\"|\"n_nodes\"|\"operations\"|[0-9]|[a-z é\n]){0,60}",
        ) {
            prop_assert!(space("edge").parse(&text).is_err());
            prop_assert!(space("node").parse(&text).is_err());
        }
    }
}
