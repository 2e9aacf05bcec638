//! How much vectors keep in reserve that hold most of a process's memory.

/// So many bytes are kept whatever happens: what a batch of the usual size needs.
const KEPT_BYTES: usize = 64 << 10;

/// Appends `item`. The vector keeps up to an eighth in reserve, not as much again: moving its items a few times more costs
/// less than memory that nothing uses.
pub(crate) fn push_within_an_eighth<T>(items: &mut Vec<T>, item: T) {
    const ROOM_MIN: usize = 16;
    if items.len() == items.capacity() {
        items.reserve_exact((items.len() / 8).max(ROOM_MIN));
    }
    items.push(item);
}

/// Empties a vector that is filled again and again. It keeps its memory while a quarter of it is used, or fillings of about
/// one size would take and give back some every time; else half, so that one large filling is forgotten after a few small
/// ones.
pub(crate) fn clear_and_forget<T>(items: &mut Vec<T>) {
    let is_large = items.len() < items.capacity() / 4;
    items.clear();
    if is_large {
        items.shrink_to((items.capacity() / 2).max(KEPT_BYTES / size_of::<T>().max(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_never_keeps_more_than_an_eighth_in_reserve() {
        let mut items = Vec::new();
        for item in 0..10_000 {
            push_within_an_eighth(&mut items, item);
            assert!(items.capacity() - items.len() <= items.len() / 8 + 16, "{item}");
        }
        assert!(items.iter().copied().eq(0..10_000));
    }

    #[test]
    fn a_large_filling_is_forgotten_after_small_ones_and_the_usual_one_is_not() {
        let mut bytes = vec![0_u8; 16 * KEPT_BYTES];
        clear_and_forget(&mut bytes);
        assert_eq!((bytes.len(), bytes.capacity()), (0, 16 * KEPT_BYTES), "it was needed now");
        for kept in [8, 8, 8] {
            bytes.extend(std::iter::repeat_n(0, 3 * KEPT_BYTES));
            clear_and_forget(&mut bytes);
            assert_eq!(bytes.capacity(), kept * KEPT_BYTES);
        }
        (0..4).for_each(|_| clear_and_forget(&mut bytes));
        assert_eq!(bytes.capacity(), KEPT_BYTES);
    }
}
