//! Values by name into the words of a uniform struct.

use super::binding::Member;

/// The most bytes that a struct of uniforms may have, on any device.
const MOST_BYTES: u32 = 1 << 20;

/// The words of a struct of `bytes` bytes: each value goes where the member of its name is, whatever the order of either.
///
/// Every member must be given; an array may be given in part or not at all, and what is not given of it is zero.
///
/// # Errors
/// In words, a value that has no member or more words than it, one that is given twice, a member that is not given.
pub fn pack(values: &[(&'static str, Vec<u32>)], members: &[Member], bytes: u32) -> Result<Vec<u32>, String> {
    // Uniforms hold 64 KiB, on some devices more.
    if bytes > MOST_BYTES {
        return Err(format!("`params` has {bytes} bytes, expected at most {MOST_BYTES}"));
    }
    let mut words = vec![0; bytes as usize / 4];
    let mut given = vec![false; members.len()];
    for (name, value) in values {
        let Some(index) = members.iter().position(|member| member.name == *name) else {
            let known: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            return Err(format!("`params` has no member `{name}`; it has {}", known.join(", ")));
        };
        let member = &members[index];
        if std::mem::replace(&mut given[index], true) {
            return Err(format!("`{name}` is given twice"));
        }
        if 4 * value.len() > member.size as usize || (4 * value.len() < member.size as usize && !member.is_array()) {
            return Err(format!("{} words for `params.{name}` of {} bytes", value.len(), member.size));
        }
        let place = words.get_mut(member.offset as usize / 4..).and_then(|rest| rest.get_mut(..value.len()));
        let Some(place) = place else {
            return Err(format!("`params.{name}` lies beyond the {bytes} bytes of the struct"));
        };
        place.copy_from_slice(value);
    }
    match members.iter().zip(given).find(|(member, given)| !given && !member.is_array()) {
        Some((member, _)) => Err(format!("`params.{}` is not given", member.name)),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<Member> {
        let member = |name: &str, offset, size| Member { name: name.to_owned(), offset, size };
        vec![member("n", 0, 4), member("pair", 8, 8), member("dims", 16, 64)]
    }

    #[test]
    fn values_go_to_the_members_of_their_names() {
        let values = [("dims", vec![7, 8]), ("n", vec![1]), ("pair", vec![2, 3])];
        let mut expected = vec![0; 20];
        (expected[0], expected[2], expected[3], expected[4], expected[5]) = (1, 2, 3, 7, 8);
        assert_eq!(pack(&values, &members(), 80), Ok(expected));
        assert_eq!(pack(&values[1..], &members(), 80).map(|words| words[4..].iter().sum()), Ok(0));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let bad = |values: &[(&'static str, Vec<u32>)]| pack(values, &members(), 80).expect_err("refused");
        assert!(bad(&[("m", vec![1])]).contains("no member `m`; it has n, pair, dims"));
        assert!(bad(&[("n", vec![1, 2])]).contains("2 words for `params.n` of 4 bytes"));
        assert!(bad(&[("pair", vec![1])]).contains("1 words for `params.pair` of 8 bytes"));
        assert!(bad(&[("n", vec![1]), ("n", vec![1])]).contains("twice"));
        assert!(bad(&[("n", vec![1])]).contains("`params.pair` is not given"));
        assert!(bad(&[("dims", vec![0; 17])]).contains("17 words"));
        let short = pack(&[("pair", vec![1, 2])], &members(), 12).expect_err("refused");
        assert!(short.contains("beyond the 12 bytes"), "{short}");
    }
}
