//! Processors and NUMA nodes, `cputopoinfo` and `numainfo` of `sysctl`: ask for the number first, then for the entries.

use super::bytes::View;
use super::request::{Reply, Request};
use super::sysctl::{UNION, record, request};
use crate::{CpuPlace, NumaNode};

const CPUTOPOINFO: u32 = 16;
const NUMAINFO: u32 = 17;

const COUNT: usize = 0;
const CPUS_BUFFER: usize = 8;
const CPU_SIZE: usize = 12;
const NODES_BUFFER: usize = 8;
const NODE_SIZE: usize = 16;
const DISTANCES_BUFFER: usize = 16;
const DISTANCE_SIZE: usize = 4;

/// Core of an absent processor; memory size of an absent node.
const ABSENT: u32 = u32::MAX;

/// Asks how many processors there are to be asked for.
pub fn count_cpus(version: u32) -> Request {
    request(record(version, CPUTOPOINFO))
}

/// Asks how many nodes there are to be asked for.
pub fn count_nodes(version: u32) -> Request {
    request(record(version, NUMAINFO))
}

/// What [`count_cpus`] or [`count_nodes`] has shown.
pub fn count_answer(reply: &Reply) -> u32 {
    View::new(&reply.image, UNION).u32(COUNT)
}

/// Asks where the first `count` processors sit.
pub fn cpus(version: u32, count: u16) -> Request {
    request(record(version, CPUTOPOINFO).u32(UNION + COUNT, count.into()))
        .payload(UNION + CPUS_BUFFER, &vec![0; usize::from(count) * CPU_SIZE])
}

/// What [`cpus`] has shown.
pub fn cpus_answer(request: &Request, reply: &Reply) -> Vec<Option<CpuPlace>> {
    let start = request.payload_at(0);
    let count = (count_answer(reply) as usize).min((reply.image.len() - start) / CPU_SIZE);
    let place = |n| {
        let view = View::new(&reply.image, start + n * CPU_SIZE);
        let place = CpuPlace { core: view.u32(0), socket: view.u32(4), node: view.u32(8) };
        (place.core != ABSENT).then_some(place)
    };
    (0..count).map(place).collect()
}

/// Asks for the first `count` nodes.
pub fn nodes(version: u32, count: u8) -> Request {
    let count = usize::from(count);
    request(record(version, NUMAINFO).u32(UNION + COUNT, count as u32))
        .payload(UNION + NODES_BUFFER, &vec![0; count * NODE_SIZE])
        .payload(UNION + DISTANCES_BUFFER, &vec![0; count * count * DISTANCE_SIZE])
}

/// What [`nodes`] has shown. The distances are packed by the number that Xen answers, not by the one asked for. An absent
/// node has no memory.
pub fn nodes_answer(request: &Request, reply: &Reply) -> Vec<NumaNode> {
    let (nodes, distances) = (request.payload_at(0), request.payload_at(1));
    let count = (count_answer(reply) as usize).min((distances - nodes) / NODE_SIZE);
    let node = |n: usize| {
        let view = View::new(&reply.image, nodes + n * NODE_SIZE);
        let row = View::new(&reply.image, distances + n * count * DISTANCE_SIZE);
        let (size, free) = (view.u64(0), view.u64(8));
        let absent = size == ABSENT.into() || size == u64::MAX;
        NumaNode {
            size: if absent { 0 } else { size },
            free: if absent { 0 } else { free },
            distances: (0..count).map(|m| row.u32(m * DISTANCE_SIZE)).collect(),
        }
    };
    (0..count).map(node).collect()
}
