//! Slots: which values share memory, and where they are in it.
//!
//! No dispatch may bind a buffer both for reading and for writing, so what one writes never shares a slot with what it reads or writes
//! beside it, be it in another part. Values that meet no such dispatch may be in one slot at one time, one after the other.

use rustc_hash::FxHashSet;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

/// Parts of a slot start at multiples of this many words: 256 bytes, the coarsest alignment of a binding a device may ask for.
const ALIGNMENT: usize = 64;
/// Pairs of values that all orders together may look at, but for the first two: what bounds the time of the search.
const PAIRS: usize = 1 << 15;
/// Of more values than this the search takes longer than it is worth for fewer words than that.
const MANY: usize = 512;
const LITTLE: usize = 1 << 16;
/// A placement as near as one part in so many to what is needed at one time is good enough.
const NEAR: usize = 64;

/// A value inside a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The steps in which it is needed.
    pub needed: Range<usize>,
    /// Its size.
    pub words: usize,
}

impl Value {
    fn meets(&self, other: &Value) -> bool {
        self.needed.start < other.needed.end && other.needed.start < self.needed.end
    }
}

/// Where values are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Words of each slot.
    pub words: Vec<usize>,
    /// The slot of each value.
    pub slot: Vec<usize>,
    /// Its first word there, if the slot holds others at the same time.
    pub part: Vec<Option<usize>>,
}

impl Slots {
    fn total(&self) -> usize {
        self.words.iter().sum()
    }
}

/// The most words that are needed at one time: no placement can do with less.
pub fn most_at_once(values: &[Value]) -> usize {
    let steps = values.iter().map(|v| v.needed.end).max().unwrap_or(0);
    let mut change = vec![0isize; steps + 1];
    for Value { needed, words } in values {
        change[needed.start] += *words as isize;
        change[needed.end] -= *words as isize;
    }
    let mut live = 0;
    let after = |change: &isize| {
        live += change;
        live
    };
    change.iter().map(after).max().unwrap_or(0) as usize
}

/// Slots for values. `conflicts` names pairs, the smaller index first, of which one is written in a dispatch that binds the other.
///
/// First each slot holds one value at a time. Where that takes notably more than is needed at one time, values also share slots in parts, and the
/// best of several orders is kept. With `reuse` off each value has its own.
pub fn assign(values: &[Value], conflicts: &FxHashSet<(usize, usize)>, reuse: bool) -> Slots {
    if !reuse {
        let (words, slot) = values.iter().map(|v| v.words).zip(0..).unzip();
        return Slots { words, slot, part: vec![None; values.len()] };
    }
    let mut by_size: Vec<usize> = (0..values.len()).collect();
    by_size.sort_by_key(|&i| (Reverse(values[i].words), i));
    let whole = one_at_a_time(values, &by_size);
    let least = most_at_once(values);
    let enough = least + least / NEAR;
    if whole.total() <= enough || (values.len() > MANY && whole.total() - least < LITTLE) {
        return whole;
    }
    let best = search(values, conflicts, by_size, enough);
    // Whole buffers are simpler to read, and to guard.
    if best.total() + least / NEAR < whole.total() { best } else { whole }
}

/// Slots that hold one value at a time.
///
/// The largest value chooses first, so that a slot is as large as its first value and nobody makes it grow (greedy by size: Pisarchyk and Lee
/// 2020). Among slots that are free all the while, the smallest.
fn one_at_a_time(values: &[Value], by_size: &[usize]) -> Slots {
    let mut words: Vec<usize> = Vec::new();
    // When each slot is taken: the ends of ranges under their starts.
    let mut taken: Vec<BTreeMap<usize, usize>> = Vec::new();
    let mut slot = vec![0; values.len()];
    for &i in by_size {
        let needed = &values[i].needed;
        let is_free = |taken: &BTreeMap<usize, usize>| {
            let before = taken.range(..needed.end).next_back();
            before.is_none_or(|(_, &end)| end <= needed.start)
        };
        // Slots were made in order of size.
        slot[i] = (0..words.len()).rev().find(|&s| is_free(&taken[s])).unwrap_or_else(|| {
            words.push(values[i].words);
            taken.push(BTreeMap::new());
            words.len() - 1
        });
        taken[slot[i]].insert(needed.start, needed.end);
    }
    Slots { words, slot, part: vec![None; values.len()] }
}

/// The best of placements in parts, in several orders and then in orders like the best so far. The same values give the same placement.
fn search(values: &[Value], conflicts: &FxHashSet<(usize, usize)>, by_size: Vec<usize>, enough: usize) -> Slots {
    let mut last_first = by_size.clone();
    last_first.sort_by_key(|&i| (Reverse(values[i].words), Reverse(i)));
    let mut by_area = by_size.clone();
    by_area.sort_by_key(|&i| (Reverse(values[i].words * values[i].needed.len()), i));
    let mut best: Option<(Slots, Vec<usize>)> = None;
    let pairs = values.len().pow(2);
    let mut left = PAIRS.max(2 * pairs);
    let mut try_order = |order: Vec<usize>, best: &mut Option<(Slots, Vec<usize>)>| {
        left = left.saturating_sub(pairs);
        let found = in_parts(values, conflicts, &order);
        if best.as_ref().is_none_or(|(slots, _)| found.total() < slots.total()) {
            *best = Some((found, order));
        }
        left >= pairs && best.as_ref().is_some_and(|(slots, _)| slots.total() > enough)
    };
    let mut go_on = [by_size, last_first, by_area].into_iter().all(|order| try_order(order, &mut best));
    // Knuth's linear congruential generator; only the spread of its upper bits is asked for.
    let mut state = 1_u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    while go_on && let Some((_, order)) = &best {
        let mut order = order.clone();
        // One value earlier than before; those placed first decide.
        let from = below(order.len());
        let to = below(from + 1);
        order[to..=from].rotate_right(1);
        go_on = try_order(order, &mut best);
    }
    best.map(|(slots, _)| slots).unwrap_or_default()
}

/// Places values in the given order, each where it makes slots grow the least; no slot grows beyond the largest value.
fn in_parts(values: &[Value], conflicts: &FxHashSet<(usize, usize)>, order: &[usize]) -> Slots {
    let most = values.iter().map(|v| v.words).max().unwrap_or(0);
    let mut words: Vec<usize> = Vec::new();
    let mut held: Vec<Vec<usize>> = Vec::new();
    let mut shared: Vec<bool> = Vec::new();
    let (mut slot, mut start) = (vec![0; values.len()], vec![0; values.len()]);
    let mut beside: Vec<Range<usize>> = vec![];
    for &i in order {
        let value = &values[i];
        // Growth, size, index, first word.
        let mut best = (value.words, 0, words.len(), 0);
        for s in 0..words.len() {
            beside.clear();
            let mut meeting = held[s].iter().filter(|&&other| value.meets(&values[other]));
            if meeting.any(|&other| {
                beside.push(start[other]..start[other] + values[other].words);
                conflicts.contains(&(i.min(other), i.max(other)))
            }) {
                continue;
            }
            // The first gap that is wide enough.
            beside.sort_unstable_by_key(|taken| taken.start);
            let mut at = 0;
            for taken in &beside {
                if at + value.words <= taken.start {
                    break;
                }
                at = at.max(taken.end.next_multiple_of(ALIGNMENT));
            }
            let end = at + value.words;
            let found = (end.saturating_sub(words[s]), words[s], s, at);
            if (found.0 == 0 || end <= most) && found < best {
                best = found;
            }
        }
        let (growth, _, s, at) = best;
        if s == words.len() {
            words.push(0);
            held.push(vec![]);
            shared.push(false);
        }
        shared[s] |= held[s].iter().any(|&other| value.meets(&values[other]));
        words[s] += growth;
        held[s].push(i);
        (slot[i], start[i]) = (s, at);
    }
    let part = slot.iter().zip(&start).map(|(&s, &at): (&usize, &usize)| shared[s].then_some(at)).collect();
    Slots { words, slot, part }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(needed: Range<usize>, words: usize) -> Value {
        Value { needed, words }
    }

    /// What must hold of any placement, looked at pair by pair.
    fn check(values: &[Value], conflicts: &FxHashSet<(usize, usize)>, slots: &Slots) {
        let most = values.iter().map(|v| v.words).max().unwrap_or(0);
        assert!(slots.words.iter().all(|&words| words <= most), "a slot is larger than any value: {values:?} in {slots:?}");
        for (i, v) in values.iter().enumerate() {
            let at = slots.part[i].unwrap_or(0);
            assert!(
                at.is_multiple_of(ALIGNMENT) && at + v.words <= slots.words[slots.slot[i]],
                "value {i} of {values:?} in {slots:?}"
            );
            for (j, w) in values.iter().enumerate().skip(i + 1) {
                if slots.slot[i] != slots.slot[j] || !v.meets(w) {
                    continue;
                }
                let (Some(a), Some(b)) = (slots.part[i], slots.part[j]) else { panic!("{i} and {j} of {values:?} in {slots:?}") };
                assert!(a + v.words <= b || b + w.words <= a, "{i} and {j} of {values:?} in {slots:?}");
                assert!(!conflicts.contains(&(i, j)), "{i} and {j} of {values:?} in {slots:?}");
            }
        }
    }

    /// A network of two convolutions: what is needed when, and what each dispatch binds.
    fn convolutions() -> (Vec<Value>, FxHashSet<(usize, usize)>) {
        let values = vec![
            value(0..18, 200_704),
            value(1..15, 50_176),
            value(2..12, 100_352),
            value(3..11, 25_088),
            value(7..11, 320),
            value(8..23, 9_344),
            value(9..12, 25_088),
            value(11..17, 100_352),
            value(14..16, 26_496),
            value(16..18, 50_176),
            value(17..21, 200_704),
        ];
        let pairs =
            [(0, 1), (1, 2), (2, 3), (4, 5), (4, 6), (3, 5), (2, 7), (6, 7), (7, 8), (1, 8), (5, 8), (7, 9), (0, 10), (9, 10)];
        (values, pairs.into_iter().collect())
    }

    #[test]
    fn parts_go_below_what_whole_buffers_can_do() {
        let (values, conflicts) = convolutions();
        let mut by_size: Vec<usize> = (0..values.len()).collect();
        by_size.sort_by_key(|&i| (Reverse(values[i].words), i));
        let whole = one_at_a_time(&values, &by_size);
        // Of slots of at least some size there must be as many as values of at least that size are needed at one time, so this is the least.
        let mut sizes: Vec<usize> = values.iter().map(|v| v.words).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let at_once = |least: usize| {
            let ones: Vec<_> = values.iter().filter(|v| v.words >= least).map(|v| Value { words: 1, ..v.clone() }).collect();
            most_at_once(&ones)
        };
        let bound: usize = [0].iter().chain(&sizes).zip(&sizes).map(|(below, &size)| (size - below) * at_once(size)).sum();
        assert_eq!(whole.total(), bound, "nobody can do better with one value at a time");
        check(&values, &conflicts, &whole);

        let found = assign(&values, &conflicts, true);
        check(&values, &conflicts, &found);
        let ratio = found.total() as f64 / most_at_once(&values) as f64;
        assert!(ratio < 1.11, "{ratio}: {found:?}");
        assert_eq!(found, assign(&values, &conflicts, true), "the same again");
    }

    #[test]
    fn any_values_have_a_place_of_their_own() {
        let mut state = 7_u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % n) as usize
        };
        let mut saved = 0;
        for round in 0..200 {
            let count = below(40);
            let values: Vec<Value> = (0..count)
                .map(|_| {
                    let start = below(30);
                    let words = [0, 1, 63, 64, 65, 1000, 4096][below(7)] * (1 + below(3));
                    value(start..start + 1 + below(12), words)
                })
                .collect();
            let mut conflicts = FxHashSet::default();
            for (i, a) in values.iter().enumerate() {
                conflicts.extend((i + 1..count).filter(|&j| a.meets(&values[j]) && below(3) == 0).map(|j| (i, j)));
            }
            for reuse in [true, false] {
                let slots = assign(&values, &conflicts, reuse);
                check(&values, &conflicts, &slots);
                assert!(slots.total() >= most_at_once(&values), "round {round}");
                saved += usize::from(slots.part.iter().any(Option::is_some));
            }
        }
        assert!(saved > 20, "{saved} of 200 used parts");
        assert_eq!(assign(&[], &FxHashSet::default(), true), Slots::default());
    }
}
