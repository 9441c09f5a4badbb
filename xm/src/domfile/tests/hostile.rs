//! Files that want to hang the process, eat its memory, overflow its stack, or reach the host.

use super::super::source::FaultKind;
use super::{error, run_text, x};

#[test]
fn bounds_cannot_be_passed_by_any_way_that_is_known() {
    let bombs = [
        "x = 'a'\nwhile 1:\n  x = x + x",
        "while 1: pass",
        "def f(): return f()\nf()",
        "f = lambda g: g(g)\nf(f)",
        "x = pow(3, 10**9)",
        "x = 9 ** 99",
        "x = int('9' * 100)",
        "x = []\nx.append(x)\ny = []\ny.append(y)\nz = x == y",
        "d = {}\nd['d'] = d\ne = {}\ne['d'] = e\nz = d == e",
        "x = range(10**9)",
        "for i in xrange(10**18): pass",
        "x = list(xrange(10**12))",
        "x = sum(xrange(10**9))",
        "x = (i for i in xrange(10**9))",
        "x = dict((i, i) for i in xrange(10**9))",
        "x = {i for i in xrange(10**9)}",
        "x = ','.join(['a' * 1000] * 100000)",
        "x = ('a' * 10**6).replace('a', 'b' * 10**6)",
        "x = ('a' * 10**6).split('a')",
        "x = ('a' * 10**6).find('a' * 499999 + 'b')",
        "x = 'a' * 10**6\nwhile 1: x in x",
        "x = 'a'.ljust(10**9)",
        "x = 'a\\t'.expandtabs(10**9)",
        "x = '{:1000000000}'.format(1)",
        "x = '%.*f' % (10**9, 1.5)",
        "x = f'{1:>1000000000}'",
        "x = 'a'\nfor i in range(60): x = '%s%s' % (x, x)",
        "x = []\nfor i in range(60): x = [x, x]\ny = repr(x)",
        "x = ()\nfor i in range(60): x = (x, x)\ny = {x: 1}",
        "x = sorted(range(100000))",
        "x = [1]\nfor i in x: x.append(i)",
        "while 1: print 'a' * 1000,",
        "import re\nx = re.compile('((a{100}){100}){100}')",
        "import re\nx = re.sub('a', 'b' * 10000, 'a' * 60000)",
        "import re\nfor i in range(1000): re.search('(a|aa)+$%d' % i, 'a' * 10000)",
    ];
    for text in bombs {
        let fault = run_text(text).unwrap_err().first.fault;
        assert_eq!(fault.kind, FaultKind::Limit, "{fault:?} for {text:.60}");
    }
}

#[test]
fn no_except_and_no_finally_catches_a_bound() {
    for text in [
        "try:\n  while 1: pass\nexcept:\n  pass",
        "try:\n  f = lambda: f()\n  f()\nexcept:\n  x = 1\nfinally:\n  x = 2",
        "def f():\n  try: return 'a' * 10**9\n  finally: return 1\nx = f()",
        "def f(a, b): return int(b)\nxm_vars.var('a', check=lambda a, b: 'a' * 10**9)\ntry: xm_vars.check()\nexcept: pass",
    ] {
        assert_eq!(run_text(text).unwrap_err().first.fault.kind, FaultKind::Limit, "{text}");
    }
    let refused = run_text("try: open('a')\nexcept: x = 1").unwrap_err();
    assert_eq!(refused.first.fault.kind, FaultKind::Unsupported);
}

#[test]
fn deep_texts_end_in_an_error_and_not_in_an_overflow() {
    let repeated = |before: &str, part: &str, after: &str| {
        format!("x = {}{after}", [before, &part.repeat(5000)].concat())
    };
    for text in [
        repeated("", "not ", "1"),
        repeated("", "-", "1"),
        repeated("", "1 if 0 else ", "1"),
        repeated("", "lambda: ", "1"),
        repeated("", "2**", "1"),
        repeated("", "(", ""),
        repeated("", "[lambda: ", ""),
        repeated("", "`", "1"),
        format!("x = {}1{}", "(lambda: ".repeat(99), ")".repeat(99)),
        format!("x = {}", "[".repeat(10_000)),
    ] {
        assert_eq!(run_text(&text).unwrap_err().first.fault.kind, FaultKind::Limit, "{text:.40}");
    }
    for text in [
        format!("x = {}{}", "[".repeat(100), "]".repeat(100)),
        format!("x = {}1{}", "(".repeat(100), ")".repeat(100)),
        format!("x = {}1", "1+".repeat(20_000)),
        format!("x = 'a'{}", "[0]".repeat(5_000)),
        format!(
            "{}x = 1",
            (0..50).map(|n| format!("{}if 1:\n", " ".repeat(n))).collect::<String>() + &" ".repeat(50)
        ),
    ] {
        assert!(run_text(&text).is_ok(), "{text:.40}");
    }
}

#[test]
fn deep_recursion_with_deep_expressions_stays_on_the_stack() {
    let ladder = "(1 + ".repeat(40) + "f(n - 1)" + &")".repeat(40);
    let text = format!("def f(n):\n  if n > 0: return {ladder}\n  return 0\nx = f(60)");
    assert_eq!(run_text(&text).unwrap_err().first.fault.kind, FaultKind::Limit);
    assert_eq!(x("def f(n):\n  if n > 0: return 1 + f(n - 1)\n  return 0\nx = f(60)"), "60");
    for body in [
        "return map(lambda y: sorted([1], key=lambda z: f(y)), [x])",
        "return re.sub('a', lambda m: f(x), 'a')",
        "return [f(y) for y in [x] if 1]",
        "return {f(y): 1 for y in (z for z in [f(x)])}",
        "try:\n    try:\n      return f(x)\n    finally: pass\n  except KeyError: pass",
        "return '%s' % f'{f(x)}'",
        "for i in [1]:\n    while 1:\n      return sorted([1, 2], cmp=lambda a, b: f(x))",
        "return reduce(lambda a, b: f(x), [1, 2])",
        "x[f(x)] = 1",
        "print f(x) and 1 or [{1: (f(x),)}]",
    ] {
        let fault = run_text(&format!("def f(x):\n  {body}\nf(1)")).unwrap_err().first.fault;
        assert_eq!(fault.kind, FaultKind::Limit, "{body}: {fault:?}");
    }
}

#[test]
fn deep_values_are_dropped_one_by_one() {
    for text in [
        "x = None\nfor i in range(20000): x = [x]",
        "x = ()\nfor i in range(20000): x = (x,)",
        "x = None\nfor i in range(9000): x = {1: x}",
        "f = None\ndef mk(g): return lambda: g\nfor i in range(5000): f = mk(f)",
        "e = ValueError()\nfor i in range(9000): e = ValueError(e)",
        "x = iter([1])\nfor i in range(9000): x = iter([x])",
        "x = []\nx.append(x)\nf = lambda: f\nd = {}\nd[1] = d",
    ] {
        run_text(text).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn what_changes_while_it_is_walked_is_harmless() {
    assert_eq!(x("x = [3, 1, 2]\nx.sort(key=lambda a: x.append(a))"), "[3, 1, 2]");
    assert_eq!(x("x = [1, 2, 3]\nx = map(lambda a: x.pop(), x)"), "[3, 2, 1]");
    assert_eq!(x("x = [1]\nx.extend(x)\nx += x\nx[0:0] = x\nx.insert(0, 5)"), "[5, 1, 1, 1, 1, 1, 1, 1, 1]");
    assert_eq!(x("x = {1: 1}\nfor k in x: x[k + 1] = 1"), "{1: 1, 2: 1}");
    assert_eq!(x("x = [[1]]\nx[0].append(x)\nx = str(x)"), "'[[1, [...]]]'");
}

#[test]
fn nothing_reaches_the_host() {
    let cases = [
        ("open('/etc/passwd')", "open opens files"),
        ("file('/etc/passwd')", "file opens files"),
        ("execfile('/etc/x')", "execfile runs text as a program"),
        ("eval('1')", "eval runs text as a program"),
        ("exec 'x = 1'", "exec runs text as a program"),
        ("os.system('ls')", "os.system starts a program"),
        ("os.popen('ls').read()", "os.popen starts a program"),
        ("import subprocess\nsubprocess.call(['ls'])", "subprocess.call starts a program"),
        ("import commands\ncommands.getoutput('ls')", "commands.getoutput starts a program"),
        ("os.listdir('/')", "os.listdir is not provided to domain files; of os there are"),
        ("os.remove('/a')", "os.remove is not provided"),
        ("raw_input()", "raw_input waits for input"),
        ("__import__('os')", "__import__ runs text as a program"),
        ("import ctypes", "the module ctypes is not provided to domain files; there are os, os.path"),
        ("from os import system", "os.system starts a program"),
        ("class A: pass", "classes cannot be defined"),
        ("().__class__.__bases__", "type object 'tuple' has no attribute '__bases__'"),
        ("(lambda: 0).func_globals", "'function' object has no attribute 'func_globals'"),
    ];
    for (text, expected) in cases {
        let error = error(text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(error.contains("./a.cfg:"), "{text}: {error}");
    }
}

#[test]
fn bytes_that_are_no_text_are_told() {
    let fault = |bytes: &[u8]| {
        let source = super::Source::new("a", bytes);
        let result = super::run(&source, &mut super::Scope::default(), &mut super::Imagined::default());
        result.unwrap_err().first.fault.what
    };
    assert!(fault(b"x = 1\n\0").contains("NUL"));
    assert!(fault(&vec![0; 1 << 20]).contains("NUL"));
    assert!(fault(&vec![b' '; (1 << 20) + 1]).contains("longer than 1 MiB"));
    assert!(fault(b"\xff\xfe").contains("unexpected character"));
    assert_eq!(x("y = 1\rx = [\r2]\r"), "[2]");
    assert_eq!(x("x = 1\r\ny = 2\r\n"), "1");
    let source = super::Source::new("a", b"x = 'gr\xfc\xdfe'  # \xe9");
    let mut scope = super::Scope::default();
    super::run(&source, &mut scope, &mut super::Imagined::default()).unwrap();
    assert_eq!(scope.get("x").unwrap().to_text(), "gr\u{fc}\u{df}e");
}
