//! Whole files in, variables or errors out.

mod agreed;
mod hostile;

use super::source::FaultKind;
use super::world::Imagined;
use super::*;

fn run_text(text: &str) -> Result<Scope, FileError> {
    let mut scope = Scope::default();
    run(&Source::new("./a.cfg", text.as_bytes()), &mut scope, &mut Imagined::default())?;
    Ok(scope)
}

/// What a file makes of `x`, as Python would print it.
fn x(text: &str) -> String {
    run_text(text).unwrap_or_else(|error| panic!("{error}")).get("x").unwrap().to_repr()
}

fn error(text: &str) -> String {
    run_text(text).unwrap_err().to_string()
}

#[test]
fn python_2_means_what_it_meant() {
    let cases = [
        (
            "x = 0755, 10L, 0777L, u'a', ur'\\d', `1` + `'a'`, 1 <> 2",
            "(493, 10L, 511L, u'a', u'\\\\d', \"1'a'\", True)",
        ),
        ("x = 'b' > 5, None < 0, [] > 'a', {} < []", "(True, True, False, True)"),
        ("x = {'a': 1, 'b': 2, 'c': 3}.keys()", "['a', 'c', 'b']"),
        ("x = dict(mac=1, bridge=2, script=3, model=4).keys()", "['bridge', 'mac', 'model', 'script']"),
        (
            "x = sorted(set('hello')), set([2, 1]), {}.has_key(1)",
            "(['e', 'h', 'l', 'o'], set([1, 2]), False)",
        ),
        (
            "x = range(3), map(str, [1]), zip([1], [2]), filter(None, 'ab')",
            "([0, 1, 2], ['1'], [(1, 2)], 'ab')",
        ),
        ("x = [i for i in 1, 2]; x = x, i", "([1, 2], 2)"),
        ("x = oct(8), hex(10L), long(3), unicode('a'), cmp(1, 2)", "('010', '0xaL', 3L, u'a', -1)"),
        ("x = len('\u{e9}'), len(u'\u{e9}'), '\\xe9'", "(2, 1, '\\xe9')"),
        ("x = round(2.5), round(-0.5), int(2.9), 7 / -2", "(3.0, -1.0, 2, -4)"),
        ("from __future__ import division\nx = 1 / 2, 1 // 2", "(0.5, 0)"),
        (
            "import string\nx = string.join(['a', 'b'], '-'), string.atoi('7'), string.upper('a')",
            "('a-b', 7, 'A')",
        ),
        (
            "try:\n  raise ValueError, 'no'\nexcept ValueError, e:\n  x = str(e), e.args, e.message",
            "('no', ('no',), 'no')",
        ),
        (
            "try:\n  raise IOError(2, 'No such file')\nexcept (IOError, OSError), e:\n  x = str(e), e.errno",
            "('[Errno 2] No such file', 2)",
        ),
        ("def f():\n  global y\n  y = 5\ny = 1\nf()\nx = y", "1"),
        ("def f():\n  global y\n  y += 5\ny = 1\nf()\nx = y", "6"),
        ("a = 'x'\ndef f(): return a + os.uname()[4]\nx = f()", "'xx86_64'"),
        (
            "x = type(1), type(''), ValueError, str(ValueError('a'))",
            "(<type 'int'>, <type 'str'>, <type 'exceptions.ValueError'>, 'a')",
        ),
        ("x = reduce(lambda a, b: a * b, [1, 2, 3]), apply if 0 else 1", "(6, 1)"),
        ("x = 'caf\u{e9}'.upper(), 'a%sb' % u'c', '%s' % None", "('CAF\\xc3\\xa9', u'acb', 'None')"),
    ];
    for (text, expected) in cases {
        assert_eq!(x(text), expected, "{text}");
    }
}

#[test]
fn what_is_printed_goes_where_it_went() {
    let mut world = Imagined::default();
    let text = "print 'a', 1,\nprint 'b'\nprint ('c', 2)\nprint('d')\nprint\nprint >>sys.stderr, 'e'\n\
                print('f', 'g', sep='-', end='.')\nsys.stdout.write('h')\nprint 'i',";
    run(&Source::new("a", text.as_bytes()), &mut Scope::default(), &mut world).unwrap();
    assert_eq!(String::from_utf8_lossy(&world.printed), "a 1 b\n('c', 2)\nd\n\ne\nf-g.hi\n");
}

#[test]
fn the_host_is_what_the_world_says() {
    let mut world = Imagined { paths: vec!["/a".to_owned(), "/d/".to_owned()], ..Imagined::default() };
    for (name, value) in [("HOME", "/home/x"), ("AWS_SECRET_KEY", "s"), ("XAUTHORITY", "/x")] {
        world.environ.insert(name.into(), value.into());
    }
    let cases = [
        ("os.uname()[4], socket.gethostname()", "('x86_64', 'dom0')"),
        (
            "os.environ.keys(), os.getenv('HOME'), os.environ.get('AWS_SECRET_KEY', 1)",
            "(['HOME', 'XAUTHORITY'], '/home/x', 1)",
        ),
        (
            "os.path.exists('/a'), os.path.isfile('/a'), os.path.isdir('/d'), os.path.exists('/b')",
            "(True, True, True, False)",
        ),
        (
            "os.path.expanduser('~/a'), os.path.abspath('a'), os.getcwd()",
            "('/home/x/a', '/an/empty/folder/a', '/an/empty/folder')",
        ),
        (
            "get_defaultroute(), get_current_ipaddr(), get_current_ipmask('eth0'), get_current_ipgw()",
            "(['192.168.0.1', 'eth0'], '192.168.0.7', '255.255.255.0', '192.168.0.1')",
        ),
        (
            "inet_aton('1.2.3.4'), inet_ntoa(16909060), add_offset_to_ip('10.0.0.255', 1)",
            "(16909060, '1.2.3.4', '10.0.1.0')",
        ),
        ("check_subnet('10.0.0.1', '10.0.0.0', '255.255.255.0'), xm_help", "(True, 0)"),
    ];
    for (text, expected) in cases {
        let mut scope = Scope::default();
        scope.set("xm_help", Value::Int(0));
        let source = Source::new("a", format!("x = {text}").as_bytes());
        run(&source, &mut scope, &mut world).unwrap();
        assert_eq!(scope.get("x").unwrap().to_repr(), expected, "{text}");
    }
    let text = "import time, random\nx = time.strftime('%Y-%m-%d %H:%M:%S %a %j', time.gmtime(1400000000)), \
                time.time(), 0 <= random.random() < 1, random.randint(3, 3), len(random.sample(range(9), 3))";
    assert_eq!(x(text), "('2014-05-13 16:53:20 Tue 133', 1400000000.5, True, 3, 3)");
}

#[test]
fn the_check_of_vmid_works_as_in_the_old_examples() {
    let file = "def vmid_check(var, val):\n    val = int(val)\n    if val <= 0:\n        raise ValueError\n    return val\n\
                xm_vars.var('vmid', use=\"Virtual machine id.\", check=vmid_check)\nxm_vars.check()\nx = 'VM%d' % vmid\n";
    let with = |vmid: Option<&str>| {
        let mut scope = Scope::default();
        vmid.into_iter().for_each(|vmid| scope.set("vmid", Value::text(vmid)));
        let result = run(&Source::new("a", file.as_bytes()), &mut scope, &mut Imagined::default());
        result.map(|()| scope.get("x").unwrap().to_repr()).map_err(|error| error.first.fault.what.clone())
    };
    assert_eq!(with(Some("5")), Ok("'VM5'".to_owned()));
    let error = |text: &str| Err(text.to_owned());
    assert_eq!(with(None), error("vmid - int() argument must be a string or a number, not 'NoneType'"));
    assert_eq!(with(Some("0")), error("vmid - "));
    assert_eq!(with(Some("abc")), error("vmid - invalid literal for int() with base 10: 'abc'"));
}

#[test]
fn a_file_can_end_itself() {
    let end = |text: &str| {
        let error = run_text(text).unwrap_err();
        (error.exit, error.to_string())
    };
    assert_eq!(end("sys.exit(3)"), (Some(3), String::new()));
    assert_eq!(end("import sys\nsys.exit()"), (Some(0), String::new()));
    assert_eq!(end("raise SystemExit, 'bye'"), (Some(1), "bye".to_owned()));
    assert_eq!(x("try:\n  sys.exit(1)\nexcept SystemExit, e:\n  x = e.code"), "1");
}

#[test]
fn all_syntax_errors_are_told_at_once() {
    let text = "name = 'a\nmemory = = 5\nif x\n    y = 1\nvif = [ ''\ndisk = []\nbreak\n";
    let error = run_text(text).unwrap_err();
    let places = std::iter::once(error.first.as_ref()).chain(&error.more).map(|shown| shown.fault.place.line);
    assert_eq!(places.collect::<Vec<_>>(), [1, 2, 3, 6, 7]);
    assert!(
        error.to_string().starts_with("Errors were found at line 1 while processing ./a.cfg:\n\tname = 'a\n")
    );
}

#[test]
fn values_are_worked_out_as_in_python_2() {
    let cases = [
        ("x = 'a' 'b' \"c\"", "'abc'"),
        ("x = ('a'\n  'b')", "'ab'"),
        ("x = 'a' + \\\n 'b'", "'ab'"),
        ("x = 7 / 2, -7 / 2, 7 // -2, -7 % 3, 7 % -3", "(3, -4, -4, 2, -2)"),
        ("x = 7 / 2.0, 7.5 // 2, 2 ** 10, -2 ** 2", "(3.5, 3.0, 1024, -4)"),
        ("x = 1 + 2 * 3 - 4", "3"),
        ("x = [1, 'a',\n 2.5, # comment\n]", "[1, 'a', 2.5]"),
        ("x = ('a',)", "('a',)"),
        ("x = ('a')", "'a'"),
        ("x = {'a': 1, 'b': [2], 'a': 3}", "{'a': 3, 'b': [2]}"),
        ("x = 'ab' * 2 + '-' * 3", "'abab---'"),
        ("x = [1] * 2 + [2]", "[1, 1, 2]"),
        ("a, b = 1, 2; x = b, a", "(2, 1)"),
        ("a = b = []; a += [1]; x = b", "[1]"),
        ("x = 1; x += 2; x *= 3", "9"),
        ("x = 'abc'[1] + 'abc'[-1] + 'abcd'[1:3] + 'abc'[:-1]", "'bcbcab'"),
        ("x = [1, 2, 3][1:], (1, 2)[0], {'k': 5}['k']", "([2, 3], 1, 5)"),
        ("x = 1 < 2 <= 2 != 3 and 'a' in 'cat' and not 3 in [1]", "True"),
        ("x = 'yes' if 1 > 2 else 'no'", "'no'"),
        ("x = 0 or '' or 'd'", "'d'"),
        ("x = 0755, 0x1f, 5L, 9223372036854775807 + 1", "(493, 31, 5L, 9223372036854775808L)"),
        ("x = 1 | 6 & 3 ^ 8, 1 << 4, -16 >> 2, ~5", "(11, 16, -4, -6)"),
        ("x = True, None, u'a'", "(True, None, u'a')"),
    ];
    for (text, expected) in cases {
        assert_eq!(x(text), expected, "{text}");
    }
}

#[test]
fn percent_formats_as_in_python() {
    let cases = [
        ("'VM%d' % 5", "'VM5'"),
        ("'%s-%s' % ('a', 1)", "'a-1'"),
        ("'%s' % ['a']", "\"['a']\""),
        ("'%(n)s:%(m)02d' % {'n': 'x', 'm': 7}", "'x:07'"),
        ("'%02x:%X:%#o' % (10, 255, 8)", "'0a:FF:010'"),
        ("'[%5s|%-5s|%05d|%+d]' % ('a', 'b', -42, 3)", "'[    a|b    |-0042|+3]'"),
        ("'%.2f %e %g' % (3.14159, 1234.5, 0.0001)", "'3.14 1.234500e+03 0.0001'"),
        ("'%5.1f%%' % 99.44", "' 99.4%'"),
        ("'%r %c %c' % ('a', 65, 'z')", "\"'a' A z\""),
        ("'%*d' % (4, 7)", "'   7'"),
        ("'%.3s' % 'abcdef'", "'abc'"),
        ("'100%%' % ()", "'100%'"),
    ];
    for (text, expected) in cases {
        assert_eq!(x(&format!("x = {text}")), expected, "{text}");
    }
}

#[test]
fn errors_of_python_keep_their_text_and_gain_a_place() {
    let cases = [
        ("x = y", "name 'y' is not defined"),
        ("x = 'a' + 1", "cannot concatenate 'str' and 'int' objects"),
        ("x = 1 + 'a'", "unsupported operand type(s) for +: 'int' and 'str'"),
        ("x = 1 / 0", "integer division or modulo by zero"),
        ("x = '%d' % 'a'", "%d format: a number is required, not str"),
        ("x = '%s %s' % 'a'", "not enough arguments for format string"),
        ("x = '%s' % (1, 2)", "not all arguments converted during string formatting"),
        ("x = [1][3]", "list index out of range"),
        ("a, b = 1, 2, 3", "too many values to unpack"),
        ("x = 5[0]", "'int' object has no attribute '__getitem__'"),
    ];
    for (text, expected) in cases {
        let full = error(text);
        assert_eq!(full.lines().next(), Some(expected));
        assert!(full.contains(" ./a.cfg:1:"), "{full}");
    }
}

#[test]
fn bounds_hold_whatever_the_file_says() {
    let bombs = [
        "x = 'a' * 10**9",
        "x = '%1000000000d' % 1",
        "x = '%*d' % (10**9, 1)",
        "x = 10**10**10",
        "x = 1 << 10**10",
        "x = 2**100000",
        "x = [0] * 10**9",
        &format!("x = 'a' * 1000\n{}", "x = x + x\n".repeat(40)),
        &format!("x = ['a']\n{}y = '%s' % x", "x = [x, x]\n".repeat(40)),
        &format!("x = ['a']\ny = ['a']\n{}z = x == y", "x = [x, x]; y = [y, y]\n".repeat(40)),
        &format!("x = 0\n{}", "x = x + 1\n".repeat(60_000)),
    ];
    for text in bombs {
        let fault = run_text(text).unwrap_err().first.fault;
        assert_eq!(fault.kind, FaultKind::Limit, "{fault:?} for {:.60}", text);
    }
    // What shares its parts is small, whatever it would be when written out.
    assert!(run_text(&format!("x = ()\n{}", "x = (x, x)\n".repeat(60))).is_ok());
    // Deep lists are legal; dropping them must not overflow the stack.
    assert!(run_text(&format!("x = []\n{}", "x = [x]\n".repeat(20_000))).is_ok());
    let chain: String = (1..4_000).map(|n| format!("a{n} = []; a{} += [a{n}]\n", n - 1)).collect();
    assert!(run_text(&format!("a0 = []\n{chain}")).is_ok());
}

#[test]
fn rubbish_is_refused_without_a_panic() {
    let pieces = [
        "a", "=", "(", ")", "[", "]", "{", "}", "'", "\"", "'''", "\\", "\n", " ", "\t", "%", "1", "0x",
        "1e", ".", ",", ":", "not", "in", "if", "else", "#", ";", "\u{e9}", "\0", "**", "lambda", "u'\\u",
        "==",
    ];
    let mut seed = 12345u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        let _ = run_text(&text);
    }
}
