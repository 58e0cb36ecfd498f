//! What canonical ids tell apart and what not.

mod brute_force;
mod builtins;
mod relabelling;
mod symmetry;

use crate::space::{Architecture, Canonical, nasbench201};

fn architecture(text: &str) -> Architecture {
    nasbench201().parse(text).expect("valid")
}

fn canonical(text: &str) -> Canonical {
    architecture(text).canonical()
}

fn form(text: &str) -> String {
    canonical(text).form.to_string()
}

#[test]
fn the_id_names_space_algorithm_and_form() {
    let id = canonical("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|").id;
    // SHA-256 of "input0; output()".
    assert_eq!(id.as_str(), "nasbench201.c1.2afc0c9c4e43537f0e8f404b73bbb265");
    assert_eq!(id.to_string(), id.as_str());
}

#[test]
fn operations_without_a_path_from_input_to_output_are_dropped() {
    let nothing = "input0; output()";
    assert_eq!(form("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), nothing);
    assert_eq!(form("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|"), nothing);
    assert_eq!(form("|none~0|+|none~0|nor_conv_3x3~1|+|none~0|avg_pool_3x3~1|skip_connect~2|"), nothing);
}

#[test]
fn identities_are_contracted_and_nested_sums_flattened_with_multiplicities() {
    let all_skips =
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|";
    assert_eq!(form(all_skips), "input0; output(4*0)");
    let early = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|";
    let late = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|";
    assert_eq!(form(early), "input0; nor_conv_3x3(0); nor_conv_1x1(1); output(2)");
    assert_eq!(form(early), form(late));
}

/// The difference that Figure 2 of the paper is about.
#[test]
fn one_convolution_read_twice_is_not_two_convolutions() {
    let shared = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|";
    let separate = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|";
    assert_eq!(form(shared), "input0; nor_conv_3x3(0); nor_conv_1x1(1); avg_pool_3x3(1); output(2+3)");
    assert_eq!(
        form(separate),
        "input0; nor_conv_3x3(0); nor_conv_3x3(0); nor_conv_1x1(1); avg_pool_3x3(2); output(3+4)"
    );
}

#[test]
fn poolings_are_instances_of_their_own_too() {
    assert_eq!(
        form("|avg_pool_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"),
        "input0; avg_pool_3x3(0); avg_pool_3x3(0); output(1+2)"
    );
}

#[test]
fn each_written_operation_knows_what_it_became() {
    let text = "|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|";
    let canonical = canonical(text);
    assert_eq!(
        canonical.form.to_string(),
        "input0; nor_conv_1x1(0); nor_conv_3x3(0); avg_pool_3x3(0); nor_conv_1x1(1); output(2+3+4)"
    );
    let vertices: Vec<_> =
        canonical.instance_of.iter().map(|instance| instance.map(|instance| instance.vertex)).collect();
    assert_eq!(vertices, [Some(1), Some(2), None, Some(3), Some(4), None]);
}

#[test]
fn every_instance_is_what_was_written_and_none_is_missing() {
    for architecture in nasbench201().enumerate().expect("finite") {
        let Canonical { form, instance_of, .. } = architecture.canonical();
        let mut n_instances = 0;
        for (operation, instance) in architecture.operations().zip(&instance_of) {
            if let Some(instance) = instance {
                let label = form.cells()[instance.cell][instance.vertex].label;
                assert_eq!(label, crate::space::Label::Operation(operation), "{architecture}");
                n_instances += 1;
            }
        }
        assert_eq!(
            n_instances + 2,
            form.cells()[0].len(),
            "input, output and the instances of {architecture}"
        );
        assert_eq!(instance_of.len(), 6);
    }
}
