//! `time`: what the clock says. Nothing waits.

use super::super::builtins::{Builtin, function};
use super::super::eval::{Args, Interp, Outcome};
use super::super::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    function("time", (0, 0), |interp, _| Ok(Value::Float(interp.world.now()))),
    function("sleep", (1, 1), |_, _| Ok(Value::None)),
    function("gmtime", (0, 1), |interp, args| broken_down(interp, &args, Zone::Utc)),
    function("localtime", (0, 1), |interp, args| broken_down(interp, &args, Zone::Local)),
    function("strftime", (1, 2), strftime),
    function("ctime", (0, 1), ctime),
];

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Years of four digits.
const LATEST: i64 = 253_402_300_799;

#[derive(Clone, Copy, PartialEq)]
enum Zone {
    Utc,
    Local,
}

/// Year, month, day, hour, minute, second, weekday, day of the year, summer time.
type Parts = [i64; 9];

fn seconds(interp: &Interp<'_>, args: &Args, at: usize, zone: Zone) -> i64 {
    let n = args.get(at).and_then(Value::as_float).unwrap_or_else(|| interp.world.now());
    let n = (n.floor() as i64).clamp(0, LATEST);
    if zone == Zone::Local { n + interp.world.utc_offset(n) } else { n }
}

/// The date of a number of seconds since 1970, by the calendar of 400 years that begins in March.
fn parts(seconds: i64) -> Parts {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let since_march = days + 719_468;
    let (era, day_of_era) = (since_march.div_euclid(146_097), since_march.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let index = usize::try_from(month - 1).unwrap_or(0);
    let yearday = before[index] + day + i64::from(leap && month > 2);
    let weekday = (days + 3).rem_euclid(7);
    [year, month, day, time / 3600, time / 60 % 60, time % 60, weekday, yearday, 0]
}

fn broken_down(interp: &mut Interp<'_>, args: &Args, zone: Zone) -> Outcome {
    let parts = parts(seconds(interp, args, 0, zone));
    Ok(interp.room.tuple(parts.into_iter().map(Value::Int).collect())?)
}

/// The parts that a tuple of nine numbers holds.
fn of_tuple(interp: &Interp<'_>, value: &Value) -> Outcome<Parts> {
    let items = value.items().unwrap_or_default();
    let mut parts: Parts = [0; 9];
    let wrong = || interp.room.type_error("argument must be 9-item sequence");
    if items.len() != parts.len() {
        return Err(wrong().into());
    }
    for (part, item) in parts.iter_mut().zip(items) {
        let n = item.as_whole().and_then(|n| i64::try_from(n).ok()).ok_or_else(wrong)?;
        *part = n.clamp(0, 9999);
    }
    Ok(parts)
}

fn strftime(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let parts = match args.get(1) {
        Some(value) => of_tuple(interp, value)?,
        None => parts(seconds(interp, &args, 1, Zone::Local)),
    };
    let pattern = args.at(0).as_string().unwrap_or_default();
    interp.room.charge(pattern.len().saturating_mul(12))?;
    Ok(interp.room.text(written(&pattern, &parts))?)
}

fn written(pattern: &str, parts: &Parts) -> String {
    let [year, month, day, hour, minute, second, weekday, yearday, _] = *parts;
    let name = |names: &[&str], at: i64| {
        names.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or("?").to_owned()
    };
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        out += &match chars.next() {
            Some('Y') => format!("{year:04}"),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('j') => format!("{yearday:03}"),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('A') => name(&DAYS, weekday),
            Some('a') => name(&DAYS, weekday).chars().take(3).collect(),
            Some('B') => name(&MONTHS, month - 1),
            Some('b' | 'h') => name(&MONTHS, month - 1).chars().take(3).collect(),
            Some('w') => format!("{}", (weekday + 1) % 7),
            Some('F') => format!("{year:04}-{month:02}-{day:02}"),
            Some('T' | 'X') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('D' | 'x') => format!("{month:02}/{day:02}/{:02}", year % 100),
            Some('%') => "%".to_owned(),
            Some(other) => format!("%{other}"),
            None => "%".to_owned(),
        };
    }
    out
}

fn ctime(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let parts = parts(seconds(interp, &args, 0, Zone::Local));
    let text = format!("{} {:2} {}", written("%a %b", &parts), parts[2], written("%H:%M:%S %Y", &parts));
    Ok(interp.room.text(text)?)
}
