//! Properties of reader and writer over random values and messages.

use proptest::prelude::*;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::sxp::Sxp;

/// Text that XML can hold.
fn any_string() -> impl Strategy<Value = String> {
    let odd = "[<>&'\"\\]\\\\\r\n\t é\u{fffd}x-]{0,24}";
    let held = any::<String>().prop_map(|text| text.replace(|c: char| c < ' ' && !"\t\n\r".contains(c), ""));
    prop_oneof![odd, held]
}

/// Everything that has a form on the wire.
fn any_value() -> impl Strategy<Value = Sxp> {
    let leaf = prop_oneof![
        1 => Just(Sxp::Nil),
        1 => any::<bool>().prop_map(Sxp::Bool),
        2 => any::<i32>().prop_map(|number| Sxp::Int(number.into())),
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Sxp::Float),
        3 => any_string().prop_map(Sxp::Text),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let members = prop::collection::btree_map(any_string(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Sxp::List),
            members.prop_map(|members| Sxp::Struct(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_call_reads_back_as_it_was_written(params in prop::collection::vec(any_value(), 0..4)) {
        let written = write_call("xend.domain.create", &params).expect("every number fits into 32 bits");
        let call = parse_call(written.as_bytes());
        prop_assert_eq!(call, Ok(Call { method: "xend.domain.create".to_owned(), params }));
    }

    #[test]
    fn an_answer_reads_back_as_it_was_written(value in any_value()) {
        let written = write_response(&Ok(value.clone()));
        prop_assert_eq!(parse_response(written.as_bytes()), Ok(Ok(value)));
    }

    #[test]
    fn a_fault_reads_back_as_it_was_written(
        text in any_string(),
        because in prop::collection::vec(any_string(), 0..3),
        hint in prop::option::of(any_string()),
    ) {
        let mut fault = Fault::new(FaultKind::Generic, text);
        (fault.because, fault.hint) = (because, hint);
        let written = write_response(&Err(fault.clone()));
        prop_assert_eq!(parse_response(written.as_bytes()), Ok(Err(fault)));
    }

    #[test]
    fn a_message_cut_anywhere_is_an_error(value in any_value(), cut in 0.0..1.0_f64) {
        let written = write_response(&Ok(value));
        let written = written.trim_end().as_bytes();
        let cut = (written.len() as f64 * cut) as usize;
        prop_assert!(parse_response(&written[..cut]).is_err());
    }
}
