//! The live posts by author, newest first, and who is gone: what every process keeps of the broadcasts.
//!
//! One line a post, in the slot of its author. A line replaces the post's former line, also when it
//! names another author; a post without a line is deleted or out of the horizon.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use millstream::store::Index;
use schemas::{Gone, PostId, PostLine, UserId};

use crate::ranking::weights::Points;

/// A live post's line, with the post that `posts-live` has as its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Which post.
    pub post: PostId,
    /// What is known of it.
    pub known: PostLine,
}

impl Line {
    /// The counts L, C, S, E.
    pub fn counts(&self) -> [u32; 4] {
        let PostLine { likes, comments, shares, exposures, .. } = self.known;
        [likes, comments, shares, exposures]
    }
}

/// The position of an author's slot; it stays until the slot is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorSlot(u32);

/// The users who are gone: what every process keeps of `gone`.
#[derive(Debug, Default)]
pub struct GoneUsers(HashSet<UserId, BuildHasherDefault<IdHasher>>);

impl GoneUsers {
    /// Whether `user` is gone.
    pub fn contains(&self, user: &UserId) -> bool {
        self.0.contains(user)
    }

    /// Notes whether `user` is gone.
    pub fn set(&mut self, user: UserId, gone: bool) {
        if gone {
            self.0.insert(user);
        } else {
            self.0.remove(&user);
        }
    }
}

impl FromIterator<UserId> for GoneUsers {
    fn from_iter<I: IntoIterator<Item = UserId>>(users: I) -> Self {
        Self(users.into_iter().collect())
    }
}

impl Index<UserId, Gone> for GoneUsers {
    fn changed(&mut self, user: &UserId, _old: Option<&Gone>, new: Option<&Gone>) {
        self.set(*user, new.is_some());
    }

    fn bytes(&self) -> usize {
        map_bytes(self.0.capacity(), size_of::<UserId>())
    }
}

/// The live posts by author.
#[derive(Debug, Default)]
pub struct PostsByAuthor {
    slots: Vec<AuthorPosts>,
    empty: Vec<u32>,
    of_author: HashMap<UserId, u32, BuildHasherDefault<IdHasher>>,
    places: HashMap<PostId, Place, BuildHasherDefault<IdHasher>>,
    former: FormerAuthors,
    changes: u64,
    /// The slots of authors by the hash of their ids.
    circle: BTreeMap<(u64, UserId), u32>,
    /// L, C, S, E of all of them together.
    sums: [u64; 4],
}

/// Whose posts were that went away or changed hands, of the last so many.
#[derive(Debug, Default)]
struct FormerAuthors {
    authors: HashMap<PostId, Vec<UserId>, BuildHasherDefault<IdHasher>>,
    order: VecDeque<PostId>,
    /// Whether one was ever forgotten because there were too many.
    incomplete: bool,
}

impl FormerAuthors {
    const POSTS_MAX: usize = 65_536;

    fn add(&mut self, post: PostId, author: UserId) {
        let authors = self.authors.entry(post).or_insert_with(|| {
            self.order.push_back(post);
            Vec::new()
        });
        if !authors.contains(&author) {
            authors.push(author);
        }
        if self.order.len() > Self::POSTS_MAX {
            self.order.pop_front().map(|oldest| self.authors.remove(&oldest));
            self.incomplete = true;
        }
    }
}

#[derive(Debug, Default)]
struct AuthorPosts {
    author: UserId,
    /// By creation descending, then id.
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    slot: u32,
    created_at: i64,
    /// The change that brought the post here, or changed what it is.
    appeared: u64,
}

impl PostsByAuthor {
    /// Sets the line of a post.
    pub fn put(&mut self, post: PostId, known: PostLine) {
        let line = Line { post, known };
        if self.replace(line) {
            return;
        }
        self.remove(&post);
        let slot = self.slot_for(known.author);
        let Some(AuthorPosts { lines, .. }) = self.slots.get_mut(slot as usize) else { return };
        let at = lines.partition_point(|other| newest_first(other) < newest_first(&line));
        lines.insert(at, line);
        self.count(&line, u64::wrapping_add);
        self.places.insert(post, Place { slot, created_at: known.created_at_ms, appeared: 0 });
    }

    /// Puts a line in the place of the one that its post has, if it belongs there: mostly only the counts are others, and
    /// the lines of an author with many posts are long to move.
    fn replace(&mut self, line: Line) -> bool {
        let Some(place) = self.places.get(&line.post) else { return false };
        let Some(of) = self.slots.get_mut(place.slot as usize) else { return false };
        if (of.author, place.created_at) != (line.known.author, line.known.created_at_ms) {
            return false;
        }
        let found = of.lines.binary_search_by_key(&newest_first(&line), newest_first);
        let Some(held) = found.ok().and_then(|at| of.lines.get_mut(at)) else { return false };
        let held = std::mem::replace(held, line);
        self.count(&held, u64::wrapping_sub);
        self.count(&line, u64::wrapping_add);
        true
    }

    fn count(&mut self, line: &Line, change: impl Fn(u64, u64) -> u64) {
        let counts = line.counts().map(u64::from);
        self.sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = change(*sum, count));
    }

    /// What all of them earned per exposure, in millionths.
    pub fn rate_mean_ppm(&self, points: Points) -> u32 {
        let [likes, comments, shares, exposures] = self.sums.map(u128::from);
        let earned = u128::from(points.like) * likes
            + u128::from(points.comment) * comments
            + u128::from(points.share) * shares;
        u32::try_from(earned * 1_000_000 / exposures.max(1)).unwrap_or(u32::MAX)
    }

    /// The author who stands next on the circle.
    pub fn author_after(&self, point: u64) -> Option<AuthorSlot> {
        let next = self.circle.range((point, UserId::default())..).next();
        let next = next.or_else(|| self.circle.first_key_value());
        next.map(|(_, slot)| AuthorSlot(*slot))
    }

    /// Takes a post's line away; nothing happens to a post without one.
    pub fn remove(&mut self, post: &PostId) {
        let Some(place) = self.places.remove(post) else { return };
        let key = (Reverse(place.created_at), *post);
        let Some(slot) = self.slots.get_mut(place.slot as usize) else { return };
        let found = slot.lines.binary_search_by_key(&key, newest_first);
        let removed = found.ok().map(|at| slot.lines.remove(at));
        if slot.lines.is_empty() {
            self.of_author.remove(&slot.author);
            self.circle.remove(&(on_circle(&slot.author), slot.author));
            self.empty.push(place.slot);
        }
        removed.into_iter().for_each(|line| self.count(&line, u64::wrapping_sub));
    }

    /// Where the posts of `author` stand; `None` if there are none.
    pub fn slot(&self, author: &UserId) -> Option<AuthorSlot> {
        self.of_author.get(author).copied().map(AuthorSlot)
    }

    /// The lines of a slot, newest first.
    pub fn lines(&self, slot: AuthorSlot) -> &[Line] {
        self.slots.get(slot.0 as usize).map_or(&[], |slot| &slot.lines)
    }

    /// Where a post stands: its author's slot, and its place among their lines.
    pub fn place(&self, post: &PostId) -> Option<(AuthorSlot, u32)> {
        let place = self.places.get(post)?;
        let author = self.slots.get(place.slot as usize)?;
        let key = (Reverse(place.created_at), *post);
        let at = author.lines.binary_search_by_key(&key, newest_first).ok()?;
        Some((AuthorSlot(place.slot), u32::try_from(at).ok()?))
    }

    /// How many changes there were.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether a post came, or became another, after the first `changes`; not by its counts alone.
    pub fn appeared_after(&self, post: &PostId, changes: u64) -> bool {
        self.places.get(post).is_some_and(|place| place.appeared > changes)
    }

    /// Whose a post was before; `None` if that was forgotten, none if it had no line here.
    pub fn former_authors(&self, post: &PostId) -> Option<&[UserId]> {
        match self.former.authors.get(post) {
            Some(authors) => Some(authors),
            None => (!self.former.incomplete).then_some(&[]),
        }
    }

    fn slot_for(&mut self, author: UserId) -> u32 {
        if let Some(slot) = self.of_author.get(&author) {
            return *slot;
        }
        let slot = self.empty.pop().unwrap_or_else(|| {
            self.slots.push(AuthorPosts::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(posts) = self.slots.get_mut(slot as usize) {
            posts.author = author;
        }
        self.of_author.insert(author, slot);
        self.circle.insert((on_circle(&author), author), slot);
        slot
    }
}

impl Index<PostId, PostLine> for PostsByAuthor {
    fn changed(&mut self, post: &PostId, old: Option<&PostLine>, new: Option<&PostLine>) {
        self.changes += 1;
        let left = old.filter(|old| new.is_none_or(|new| new.author != old.author));
        left.into_iter().for_each(|old| self.former.add(*post, old.author));
        let Some(line) = new else { return self.remove(post) };
        let itself = |line: &PostLine| (line.author, line.created_at_ms, line.content_hash);
        let same = old.is_some_and(|old| itself(old) == itself(line));
        let before = self.places.get(post).map(|place| place.appeared).filter(|_| same);
        let appeared = before.unwrap_or(self.changes);
        self.put(*post, *line);
        self.places.entry(*post).and_modify(|place| place.appeared = appeared);
    }

    fn bytes(&self) -> usize {
        let places = map_bytes(self.places.capacity(), size_of::<(PostId, Place)>());
        let authors = map_bytes(self.of_author.capacity(), size_of::<(UserId, u32)>());
        // A third of what grows by doubling is spare, on average.
        let lines = self.places.len() * size_of::<Line>() * 3 / 2;
        let slots = self.slots.capacity() * size_of::<AuthorPosts>();
        let former = self.former.order.len() * size_of::<(PostId, Vec<UserId>, UserId)>() * 2;
        // A tree's nodes are two thirds full, on average.
        let circle = self.circle.len() * size_of::<(u64, UserId, u32)>() * 3 / 2;
        places + authors + lines + slots + former + circle
    }
}

/// Where an author stands on the circle.
fn on_circle(author: &UserId) -> u64 {
    let mut hasher = IdHasher::default();
    author.hash(&mut hasher);
    hasher.finish()
}

/// What a map or set takes that may hold so many entries: a byte more for each, and an eighth of the places stays free.
fn map_bytes(capacity: usize, entry: usize) -> usize {
    capacity * (entry + 1) * 8 / 7
}

fn newest_first(line: &Line) -> (Reverse<i64>, PostId) {
    (Reverse(line.known.created_at_ms), line.post)
}

/// The two halves of a number, the lower first.
fn split(wide: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = wide.to_le_bytes();
    [[a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]].map(u64::from_le_bytes)
}

/// Hashes what is spread already: random ids and hashes of contents.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // Ids made one after the other differ in few bits, high or low: the upper half of the product has the high
        // ones, without which numbered ids would all meet in one bucket.
        let word = u128::from(self.0.rotate_left(26) ^ word);
        let [low, high] = split(word * 0x9e37_79b9_7f4a_7c15);
        self.0 = low ^ high;
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(posts: &mut PostsByAuthor, author: u8, (post, created_at_ms): (u8, i64)) {
        let author = UserId([author; 16]);
        posts.put(PostId([post; 16]), PostLine { author, created_at_ms, ..PostLine::default() });
    }

    fn posts_of(posts: &PostsByAuthor, author: u8) -> Vec<u8> {
        let slot = posts.slot(&UserId([author; 16]));
        let lines = slot.map_or(&[][..], |slot| posts.lines(slot));
        lines.iter().map(|line| line.post.0[0]).collect()
    }

    #[test]
    fn an_author_s_posts_stand_newest_first_and_ties_by_id() {
        let mut posts = PostsByAuthor::default();
        for post in [(4, 10), (2, 30), (3, 10), (1, 20)] {
            put(&mut posts, 1, post);
        }
        assert_eq!(posts_of(&posts, 1), [2, 1, 3, 4]);
    }

    #[test]
    fn numbered_ids_differ_in_the_low_bits_of_their_hashes() {
        use std::hash::BuildHasher;
        let hash = |id: [u8; 16]| BuildHasherDefault::<IdHasher>::default().hash_one(PostId(id));
        let low = |id| hash(id) & 0xffff;
        let numbers = 0..4_096_u128;
        let big: HashSet<_> = numbers.clone().map(|n| low(n.to_be_bytes())).collect();
        let little: HashSet<_> = numbers.map(|n| low(n.to_le_bytes())).collect();
        assert!(big.len() > 3_500 && little.len() > 3_500, "{} {}", big.len(), little.len());
    }

    #[test]
    fn a_former_author_is_known_until_too_many_posts_went_after() {
        let (mut posts, author) = (PostsByAuthor::default(), UserId([1; 16]));
        let line = PostLine { author, ..PostLine::default() };
        let id = |n: usize| PostId((n as u128).to_be_bytes());
        assert_eq!(posts.former_authors(&id(0)), Some(&[][..]));
        for n in 0..FormerAuthors::POSTS_MAX {
            posts.changed(&id(n), Some(&line), None);
        }
        assert_eq!(posts.former_authors(&id(0)), Some(&[author][..]));
        posts.changed(&id(FormerAuthors::POSTS_MAX), Some(&line), None);
        assert_eq!(posts.former_authors(&id(0)), None);
    }

    #[test]
    fn a_line_with_another_author_moves_the_post() {
        let mut posts = PostsByAuthor::default();
        put(&mut posts, 1, (7, 10));
        put(&mut posts, 2, (7, 20));
        assert_eq!((posts_of(&posts, 1), posts_of(&posts, 2)), (vec![], vec![7]));
    }

    #[test]
    fn what_the_posts_take_is_told_with_the_room_that_maps_keep() {
        const POSTS: usize = 1_000;
        let mut posts = PostsByAuthor::default();
        let id = |n: usize| PostId((n as u128).to_be_bytes());
        let line = |n: usize| {
            let author = UserId((n as u128 / 10).to_be_bytes());
            PostLine { author, ..PostLine::default() }
        };
        (0..POSTS).for_each(|n| posts.changed(&id(n), None, Some(&line(n))));
        let line_and_place = size_of::<Line>() + size_of::<(PostId, Place)>();
        let authors = POSTS / 10 * (size_of::<(UserId, u32)>() + size_of::<AuthorPosts>());
        let least = POSTS * line_and_place + authors;
        assert!((least..2 * least).contains(&posts.bytes()), "{} of {least}", posts.bytes());

        let (before, gone) = (posts.bytes(), POSTS / 2);
        (0..gone).for_each(|n| posts.changed(&id(n), Some(&line(n)), None));
        let former = gone * size_of::<(PostId, Vec<UserId>, UserId)>();
        let lines = gone * size_of::<Line>();
        let now = posts.bytes() + lines;
        assert!((before..before + 3 * former).contains(&now), "{now} after {before}");
    }

    #[test]
    fn those_who_are_gone_take_a_place_in_a_set_each() {
        let gone: GoneUsers = (0..1_000_u128).map(|n| UserId(n.to_be_bytes())).collect();
        assert!((16_000..64_000).contains(&gone.bytes()), "{}", gone.bytes());
        assert_eq!(GoneUsers::default().bytes(), 0);
    }

    #[test]
    fn an_emptied_slot_is_given_to_the_next_author() {
        let mut posts = PostsByAuthor::default();
        put(&mut posts, 1, (7, 10));
        posts.remove(&PostId([7; 16]));
        put(&mut posts, 2, (8, 20));
        assert_eq!((posts_of(&posts, 1), posts_of(&posts, 2)), (vec![], vec![8]));
    }

    fn line(author: u8, created_at_ms: i64, likes: u32) -> PostLine {
        PostLine { author: UserId([author; 16]), created_at_ms, likes, ..PostLine::default() }
    }

    #[test]
    fn a_post_that_changes_hands_names_its_former_authors_and_one_that_is_counted_does_not() {
        let (mut posts, post) = (PostsByAuthor::default(), PostId([7; 16]));
        let lines = [line(1, 10, 0), line(1, 10, 5), line(2, 10, 5), line(3, 10, 5)];
        posts.changed(&post, None, Some(&lines[0]));
        let former = lines.windows(2).map(|pair| {
            posts.changed(&post, Some(&pair[0]), Some(&pair[1]));
            posts.former_authors(&post).unwrap().iter().map(|user| user.0[0]).collect::<Vec<_>>()
        });
        assert_eq!(former.collect::<Vec<_>>(), [vec![], vec![1], vec![1, 2]]);
    }

    #[test]
    fn a_post_appears_when_it_comes_and_when_it_becomes_another_and_not_when_it_is_counted() {
        let (mut posts, post) = (PostsByAuthor::default(), PostId([7; 16]));
        let lines = [line(1, 10, 0), line(1, 10, 5), line(1, 20, 5), line(1, 20, 6)];
        assert!(!posts.appeared_after(&post, 0), "it is not there");
        posts.changed(&post, None, Some(&lines[0]));
        let mut appeared = vec![posts.appeared_after(&post, 0)];
        for pair in lines.windows(2) {
            let before = posts.changes();
            posts.changed(&post, Some(&pair[0]), Some(&pair[1]));
            appeared.push(posts.appeared_after(&post, before));
        }
        assert_eq!((appeared, posts.changes()), (vec![true, false, true, false], 4));
        assert_eq!([2, 3].map(|changes| posts.appeared_after(&post, changes)), [true, false]);
    }

    #[test]
    fn a_post_is_found_by_its_author_s_slot_and_its_place_there() {
        let mut posts = PostsByAuthor::default();
        for (author, post) in [(1, (7, 10)), (2, (8, 20)), (2, (9, 30))] {
            put(&mut posts, author, post);
        }
        let found = [7, 8, 9, 6].map(|post| {
            let (slot, place) = posts.place(&PostId([post; 16]))?;
            Some((posts.lines(slot)[place as usize].post.0[0], place))
        });
        assert_eq!(found, [Some((7, 0)), Some((8, 1)), Some((9, 0)), None]);
    }

    #[test]
    fn what_all_posts_earned_is_the_mean_of_those_that_are_there() {
        let points = Points { like: 1, comment: 2, share: 3 };
        let mut posts = PostsByAuthor::default();
        let of = |likes, exposures| PostLine { exposures, ..line(1, 10, likes) };
        assert_eq!(posts.rate_mean_ppm(points), 0);
        posts.put(PostId([1; 16]), of(3, 10));
        posts.put(PostId([2; 16]), of(0, 90));
        assert_eq!(posts.rate_mean_ppm(points), 30_000);
        posts.put(PostId([1; 16]), of(13, 10));
        assert_eq!(posts.rate_mean_ppm(points), 130_000, "counted anew");
        posts.remove(&PostId([2; 16]));
        assert_eq!(posts.rate_mean_ppm(points), 1_300_000);
    }

    #[test]
    fn the_author_who_stands_next_on_the_circle_is_the_same_in_whatever_order_they_came() {
        let of = |authors: &[u8]| {
            let mut posts = PostsByAuthor::default();
            authors.iter().for_each(|author| put(&mut posts, *author, (*author, 10)));
            posts
        };
        let [one, other] = [of(&[1, 2, 3, 4]), of(&[4, 2, 3, 1])];
        let next = |posts: &PostsByAuthor, point: u64| {
            posts.author_after(point).map(|slot| posts.lines(slot)[0].post)
        };
        let points = (0..64_u64).map(|n| n << 58).chain([u64::MAX]);
        let found: HashSet<_> = points
            .inspect(|at| assert_eq!(next(&one, *at), next(&other, *at)))
            .map(|at| next(&one, at))
            .collect();
        assert_eq!(found.len(), 4, "each comes up");
        assert_eq!(PostsByAuthor::default().author_after(0), None);
    }

    #[test]
    fn a_map_takes_a_byte_more_an_entry_and_keeps_an_eighth_of_its_places_free() {
        let told = [(0, 15), (7, 0), (7, 15), (14, 23)].map(|(n, entry)| map_bytes(n, entry));
        assert_eq!(told, [0, 8, 128, 384]);
    }

    #[test]
    fn bytes_are_those_of_both_maps_the_lines_the_slots_and_the_former_authors() {
        let mut posts = PostsByAuthor::default();
        for post in 0..10 {
            let line = line(post % 3, 10, 0);
            posts.changed(&PostId([post; 16]), None, Some(&line));
        }
        for post in 0..4 {
            let line = line(post % 3, 10, 0);
            posts.changed(&PostId([post; 16]), Some(&line), None);
        }
        let maps =
            map_bytes(posts.places.capacity(), 40) + map_bytes(posts.of_author.capacity(), 20);
        let (lines, slots, former) = (6 * 64 * 3 / 2, posts.slots.capacity() * 40, 4 * 56 * 2);
        let circle = 3 * 32 * 3 / 2;
        assert_eq!(posts.bytes(), maps + lines + slots + former + circle);
    }

    #[test]
    fn ids_differ_in_their_hashes_also_if_their_second_halves_are_all_ones() {
        use std::hash::BuildHasher;
        let hash =
            |id: u128| BuildHasherDefault::<IdHasher>::default().hash_one(PostId(id.to_le_bytes()));
        let ones = u128::from(u64::MAX) << 64;
        let hashes: HashSet<_> = (0..4_096).map(|n| hash(ones | n) & 0xffff).collect();
        assert!(hashes.len() > 3_500, "{}", hashes.len());
    }
}
