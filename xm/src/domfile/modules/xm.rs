//! What `xm` itself gave to domain files: `xm_vars`, and the helpers that ask for the host's addresses.

use super::super::ast::Name;
use super::super::builtins::{Builtin, function};
use super::super::eval::{Args, Interp, Outcome, Stop};
use super::super::value::{Value, to_text};
use super::system::address;

/// A variable that the file expects on the command line.
#[derive(Debug)]
pub(in super::super) struct Declared {
    name: Name,
    check: Option<Value>,
}

pub(super) const VARS: &[Builtin] =
    &[function("var", (1, 3), var).named(&["name", "use", "check"]), function("check", (0, 0), check)];

pub(super) const IP: &[Builtin] = &[
    function("get_defaultroute", (0, 0), get_defaultroute),
    function("get_current_ipaddr", (0, 1), |interp, args| of_device(interp, &args, |(address, _)| address)),
    function("get_current_ipmask", (0, 1), |interp, args| of_device(interp, &args, |(_, mask)| mask)),
    function("get_current_ipgw", (0, 1), get_current_ipgw),
    function("inet_aton", (1, 1), |interp, args| {
        Ok(Value::Int(i64::from(u32::from_be_bytes(address(interp, args.at(0))?))))
    }),
    function("inet_ntoa", (1, 1), |interp, args| {
        let n = args.at(0).as_whole().unwrap_or(0);
        written(interp, n)
    }),
    function("add_offset_to_ip", (2, 2), add_offset_to_ip),
    function("check_subnet", (3, 3), check_subnet),
];

fn var(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let name = args.at(0).as_string();
    let name = name.ok_or_else(|| interp.room.type_error("the name of a variable must be a string"))?;
    interp.room.charge(name.len() + 64)?;
    interp.declared.push(Declared { name: name.into(), check: args.get(2).cloned() });
    Ok(Value::None)
}

/// Calls the checks of all declared variables. An error begins with the name of its variable.
fn check(interp: &mut Interp<'_>, _: Args) -> Outcome {
    let declared: Vec<(Name, Value)> =
        interp.declared.iter().filter_map(|one| Some((Name::clone(&one.name), one.check.clone()?))).collect();
    for (name, check) in declared {
        let value = interp.variable(&name);
        let args = Args::of(vec![Value::text(name.as_bytes()), value]);
        match interp.call(&check, args) {
            Ok(value) => interp.set_variable(&name, value),
            Err(stop) => {
                let (raised, place) = interp.caught(stop)?;
                let text = to_text(&mut interp.room, &Value::Error(raised.clone()))?;
                let text = interp.room.text([name.as_bytes(), b" - ", &text].concat())?;
                let stop: Stop = interp.error(place, raised.class, vec![text]);
                return Err(stop);
            }
        }
    }
    Ok(Value::None)
}

fn get_defaultroute(interp: &mut Interp<'_>, _: Args) -> Outcome {
    let parts = match interp.world.default_route() {
        Some((gateway, device)) => vec![Value::text(gateway), Value::text(device)],
        None => vec![Value::None, Value::None],
    };
    Ok(interp.room.list(parts)?)
}

/// The device that was asked for, or that of the default route.
fn device(interp: &Interp<'_>, args: &Args) -> Option<String> {
    args.get(0).and_then(Value::as_string).or_else(|| interp.world.default_route().map(|(_, device)| device))
}

fn of_device(interp: &mut Interp<'_>, args: &Args, which: fn((String, String)) -> String) -> Outcome {
    let found = device(interp, args).and_then(|device| interp.world.address(&device));
    Ok(found.map_or(Value::None, |both| Value::text(which(both))))
}

fn get_current_ipgw(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let wanted = args.get(0).and_then(Value::as_string);
    let route =
        interp.world.default_route().filter(|(_, device)| wanted.as_ref().is_none_or(|it| it == device));
    Ok(route.map_or(Value::None, |(gateway, _)| Value::text(gateway)))
}

fn written(interp: &mut Interp<'_>, n: i128) -> Outcome {
    let [.., a, b, c, d] = n.to_be_bytes();
    Ok(interp.room.text(format!("{a}.{b}.{c}.{d}"))?)
}

fn add_offset_to_ip(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let base = i128::from(u32::from_be_bytes(address(interp, args.at(0))?));
    let offset = args.at(1).as_whole().ok_or_else(|| interp.room.type_error("an integer is required"))?;
    written(interp, base.wrapping_add(offset))
}

fn check_subnet(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut numbers = [0u32; 3];
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = u32::from_be_bytes(address(interp, args.at(at))?);
    }
    let [ip, network, mask] = numbers;
    Ok(Value::Bool(ip & mask == network & mask))
}
