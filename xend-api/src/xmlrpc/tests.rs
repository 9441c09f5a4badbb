//! Reader against writer, both against the exchanges of the original (where the corpus is present), and hostile
//! messages.

use std::path::Path;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::sxp::Sxp;

fn list<const N: usize>(items: [Sxp; N]) -> Sxp {
    Sxp::List(items.into())
}

fn answer(value: &str) -> Result<Sxp, XmlRpcError> {
    let message = format!(
        "<?xml version='1.0'?><methodResponse><params><param>{value}</param></params></methodResponse>"
    );
    parse_response(message.as_bytes()).map(|answer| answer.expect("it is no fault"))
}

#[test]
fn every_kind_of_value_survives_the_way_there_and_back() {
    let tree = list([
        Sxp::Nil,
        Sxp::Bool(true),
        Sxp::Int(-2_147_483_648),
        Sxp::Float(1.0 / 3.0),
        Sxp::from("a <b> & \"c\" 'd' ]]> é\r\n\t "),
        Sxp::from(""),
        list([]),
        Sxp::Struct(vec![("z".to_owned(), list([Sxp::Int(1)])), ("a&b".to_owned(), Sxp::from("x"))]),
    ]);
    let request = write_call("xend.domain", std::slice::from_ref(&tree)).expect("all numbers fit");
    assert_eq!(
        parse_call(request.as_bytes()),
        Ok(Call { method: "xend.domain".to_owned(), params: vec![tree.clone()] })
    );
    assert_eq!(parse_response(write_response(&Ok(tree.clone())).as_bytes()), Ok(Ok(tree)));
}

#[test]
fn a_string_result_travels_escaped_and_a_nested_one_does_not() {
    let whole = write_response(&Ok(Sxp::from("a\nb\\c 'd'")));
    assert!(whole.contains(r"<string>a\nb\\c 'd'</string>"), "{whole}");
    assert_eq!(parse_response(whole.as_bytes()), Ok(Ok(Sxp::from("a\nb\\c 'd'"))));
    let nested = write_response(&Ok(list([Sxp::from("a\nb\\c")])));
    assert!(nested.contains("<string>a\nb\\c</string>"), "{nested}");
}

#[test]
fn faults_carry_reasons_and_a_hint_beside_the_classic_members() {
    let fault =
        Fault::generic("Device 51728 (vbd) could not be connected.").because("busy").hint("detach it");
    let message = write_response(&Err(fault.clone()));
    assert!(message.contains("<name>faultCode</name>\n<value><int>2</int></value>"), "{message}");
    assert!(
        message.contains("<name>xendBecause</name>") && message.contains("<name>xendTry</name>"),
        "{message}"
    );
    assert_eq!(parse_response(message.as_bytes()), Ok(Err(fault)));
    let plain = write_response(&Err(Fault::no_domain("x")));
    assert!(!plain.contains("xend"), "{plain}");
}

#[test]
fn a_number_beyond_32_bits_is_fault_1_in_an_answer_and_an_error_in_a_request() {
    let big = Sxp::Int(1 << 31);
    let fault = parse_response(write_response(&Ok(list([big.clone()]))).as_bytes());
    assert!(matches!(fault, Ok(Err(Fault { kind: FaultKind::Internal, .. }))), "{fault:?}");
    assert_eq!(write_call("m", &[big]), Err(XmlRpcError::IntRange { value: 1 << 31 }));
}

#[test]
fn what_other_clients_write_is_read() {
    for (given, wanted) in [
        ("<value>bare text</value>", Sxp::from("bare text")),
        ("<value></value>", Sxp::from("")),
        ("<value/>", Sxp::from("")),
        ("<value><string/></value>", Sxp::from("")),
        ("<value><i4> 7 </i4></value>", Sxp::Int(7)),
        ("<value><i8>-4294967296</i8></value>", Sxp::Int(-4_294_967_296)),
        ("<value><ex:nil/></value>", Sxp::Nil),
        ("<value><nil></nil></value>", Sxp::Nil),
        ("<value>\n <boolean>0</boolean>\n</value>", Sxp::Bool(false)),
        ("<value><double>1e3</double></value>", Sxp::Float(1000.0)),
        ("<value><string>a<![CDATA[<&>]]>b<!-- c -->c</string></value>", Sxp::from("a<&>bc")),
        ("<value><string>&#65;&#x42;&apos;&quot;</string></value>", Sxp::from("AB'\"")),
        ("<value><string a='>' b=\"/>\">x</string ></value>", Sxp::from("x")),
        ("<value><array><data/></array></value>", list([])),
    ] {
        assert_eq!(answer(given), Ok(wanted), "{given}");
    }
    let call =
        parse_call(b"\xef\xbb\xbf<methodCall><methodName>\n m </methodName></methodCall>\n<!-- end -->");
    assert_eq!(call, Ok(Call { method: "m".to_owned(), params: vec![] }));
    let latin =
        b"<?xml version='1.0' encoding='ISO-8859-1'?><methodCall><methodName>\xe9</methodName></methodCall>";
    assert_eq!(parse_call(latin).map(|call| call.method), Ok("é".to_owned()));
}

#[test]
fn a_later_member_of_the_same_name_wins() {
    let member = |name: &str, number: u8| {
        format!("<member><name>{name}</name><value><int>{number}</int></value></member>")
    };
    let given =
        format!("<value><struct>{}{}{}</struct></value>", member("a", 1), member("b", 2), member("a", 3));
    assert_eq!(
        answer(&given),
        Ok(Sxp::Struct(vec![("a".to_owned(), Sxp::Int(3)), ("b".to_owned(), Sxp::Int(2))]))
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let error =
        parse_call(b"<methodCall>\n <methodName>m</methodName>\n <params><value/></params></methodCall>");
    let text = error.expect_err("a value needs its param").to_string();
    assert_eq!(
        text,
        "cannot read line 3, column 10 of a message: <param> or </params>, found \"<value/></params></metho\""
    );
    for given in [
        "",
        "<methodCall>",
        "<methodCall></methodCall>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><methodCall/>",
        "<methodCall><methodName>&lol;</methodName></methodCall>",
        "<methodCall><methodName>m</methodName></methodCall><x/>",
        "<methodCall><methodName>m</methodName></methodResponse>",
        "<methodCall><methodName a='>m</methodName></methodCall>",
        "<methodCall><methodName>&#0;</methodName></methodCall>",
    ] {
        assert!(parse_call(given.as_bytes()).is_err(), "{given}");
    }
    for given in [
        "<value><int>x</int></value>",
        "<value><boolean>2</boolean></value>",
        "<value><rune>x</rune></value>",
    ] {
        assert!(answer(given).is_err(), "{given}");
    }
    assert_eq!(parse_call(b"<methodCall>\xff"), Err(XmlRpcError::Encoding { at: 12 }));
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| {
        let open = "<value><array><data>".repeat(depth);
        let close = "</data></array></value>".repeat(depth);
        answer(&format!("{open}{close}"))
    };
    assert!(nested(MAX_DEPTH).is_ok());
    assert!(matches!(nested(MAX_DEPTH + 1), Err(XmlRpcError::TooDeep { line: 1, .. })));
    assert!(matches!(nested(100_000), Err(XmlRpcError::TooDeep { .. })));
    let long = vec![b' '; MAX_BYTES + 1];
    assert_eq!(parse_call(&long), Err(XmlRpcError::TooLong { bytes: MAX_BYTES + 1 }));
}

#[test]
fn damaged_messages_never_panic() {
    let tree = list([
        Sxp::Nil,
        Sxp::Float(0.5),
        Sxp::from("a&b\u{e9}"),
        Sxp::Struct(vec![("k".to_owned(), list([]))]),
    ]);
    let good = write_call("m", &[tree]).expect("all numbers fit").into_bytes();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=random(3) {
            match random(3) {
                0 => bytes.truncate(random(bytes.len()) + 1),
                1 => {
                    let at = random(bytes.len());
                    bytes[at] = b"<>/&;'\"!?\xff\x00a"[random(12)];
                }
                _ => {
                    bytes.remove(random(bytes.len()));
                }
            }
            if bytes.is_empty() {
                bytes.push(b'<');
            }
        }
        let _ = parse_call(&bytes);
        let _ = parse_response(&bytes);
    }
}

#[test]
fn the_exchanges_of_the_original_are_read_and_written_again_byte_for_byte() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = manifest.ancestors().map(|folder| folder.join("shared/corpus/wire/xmlrpc-legacy.txt"));
    let Some(file) = found.into_iter().find(|file| file.is_file()) else {
        eprintln!("corpus not present: comparison with the original skipped");
        return;
    };
    let whole = std::fs::read_to_string(file).expect("the corpus can be read");
    let whole = ["@CLOCK@", "@TIME@", "@UPTIME@"]
        .iter()
        .fold(whole, |text, mark| text.replace(&format!("<double>{mark}<"), "<double>1.5<"));
    let (mut requests, mut answers) = (0, 0);
    for exchange in whole.split("\n>>> ").map(|exchange| exchange.trim_start_matches(">>> ")) {
        let (title, messages) = exchange.split_once('\n').expect("a title and messages");
        let mut parts = messages.split("<?xml version='1.0'?>\n").skip(1);
        let request = message(parts.next(), "</methodCall>\n");
        let call = parse_call(request.as_bytes()).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert!(title.starts_with(&format!("{}(", call.method)), "{title}: {}", call.method);
        assert_eq!(write_call(&call.method, &call.params).as_deref(), Ok(request.as_str()), "{title}");
        requests += 1;
        let answer = message(parts.next(), "</methodResponse>\n");
        let value = parse_response(answer.as_bytes()).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert_eq!(write_response(&value), answer, "{title}");
        answers += 1;
        if let Some((_, fault)) = messages.rsplit_once("\nFAULT ") {
            let (code, text) = fault.trim_end().split_once(' ').expect("a code and a text");
            let kind = FaultKind::from_code(code.parse().expect("a code is a number"));
            assert_eq!(value, Err(Fault::new(kind, text)), "{title}");
        }
    }
    assert_eq!((requests, answers), (40, 40));
}

/// A message with its head, without what the corpus puts after it.
fn message(part: Option<&str>, end: &str) -> String {
    let part = part.expect("each exchange has a request and an answer");
    let length = part.find(end).expect("each message ends") + end.len();
    format!("<?xml version='1.0'?>\n{}", &part[..length])
}
