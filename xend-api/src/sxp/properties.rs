//! Properties of parser and printers over random trees and texts.

use proptest::prelude::*;

use super::*;

/// Trees of lists and texts, which is all that a text can hold.
fn any_tree() -> impl Strategy<Value = Sxp> {
    let word = prop_oneof![
        3 => "[a-z0-9._:/~-]{1,12}",
        2 => "[ -~]{0,16}",
        1 => any::<String>(),
        1 => "[\\\\'\"\n\t\r\u{1}é#()@]{0,8}",
    ];
    word.prop_map(Sxp::Text)
        .prop_recursive(6, 96, 8, |inner| prop::collection::vec(inner, 0..8).prop_map(Sxp::List))
}

/// Bytes that mean something to the parser, more often than chance would have them.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![4 => prop::sample::select(b"()'\"\\#x07 \n;ab@\x04{".as_slice()), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn both_printed_forms_read_back_as_the_tree(tree in any_tree(), width in 0_usize..120) {
        prop_assert_eq!(parse_one(&tree.to_string()), Ok(tree.clone()));
        prop_assert_eq!(parse_one(&tree.to_pretty(width)), Ok(tree));
    }

    #[test]
    fn the_compact_form_is_one_line_of_printable_ascii(tree in any_tree()) {
        prop_assert!(tree.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn the_indented_form_breaks_a_list_only_where_it_must(tree in any_tree(), width in 1_usize..120) {
        let (compact, pretty) = (tree.to_string(), tree.to_pretty(width));
        let breaks = matches!(tree, Sxp::List(_)) && compact.len() > width;
        prop_assert_eq!(pretty.contains('\n'), breaks);
        if !breaks {
            prop_assert_eq!(pretty, compact);
        }
    }

    #[test]
    fn reading_with_places_agrees_with_reading_without(text in any_text()) {
        let source = Source::read(&text);
        match parse_bytes(&text) {
            Ok(forms) => {
                prop_assert_eq!(source.trees(), forms.as_slice());
                prop_assert!(source.faults().is_empty());
            }
            Err(_) => prop_assert!(!source.faults().is_empty()),
        }
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let mut waiting: Vec<Located<'_>> = source.forms().collect();
        while let Some(item) = waiting.pop() {
            let place = item.place();
            let first = lines[place.line - 1].get(place.column - 1);
            let is_list = matches!(item.tree(), Sxp::List(_));
            prop_assert_eq!(first == Some(&b'('), is_list, "{:?} at {:?}", item.tree(), place);
            waiting.extend(item.items());
        }
    }
}
