//! Who follows whom: few have most of the followers, and everybody's own list is short.

use crate::random::{Random, shuffled};

/// How steeply followers gather: the first 1 % of users have 16 % of them.
const FAME: f64 = 2.5;
/// How unlike the lengths of lists are.
const KEENNESS: f64 = 1.4;
/// So often another one is drawn in place of one who is followed already, then the next one is taken.
const DRAWS: u32 = 8;

/// Each user's followees, by number.
#[derive(Debug)]
pub struct Ties {
    users: u32,
    followees: Vec<Vec<u32>>,
}

impl Ties {
    /// Nobody follows anybody yet.
    pub fn none(users: u32) -> Self {
        Self { users, followees: vec![Vec::new(); users as usize] }
    }

    /// Whom a user follows.
    pub fn of(&self, user: u32) -> &[u32] {
        self.followees.get(user as usize).map_or(&[], Vec::as_slice)
    }

    /// Somebody follows somebody more; `None` if everybody follows everybody.
    pub fn add(&mut self, random: &mut Random) -> Option<(u32, u32)> {
        let drawn = shuffled(random.rank(self.users, KEENNESS), self.users, 1);
        let most = self.users.saturating_sub(1) as usize;
        let others = (0..self.users).map(|step| (drawn + step) % self.users);
        let mut hungry = others.filter(|user| self.of(*user).len() < most);
        let follower = hungry.next()?;
        let followee = self.stranger(follower, random);
        self.followees.get_mut(follower as usize)?.push(followee);
        Some((follower, followee))
    }

    /// Somebody whom `follower` does not follow: there is one.
    fn stranger(&self, follower: u32, random: &mut Random) -> u32 {
        let known = |user: u32| user == follower || self.of(follower).contains(&user);
        let mut drawn = 0;
        for _ in 0..DRAWS {
            drawn = random.rank(self.users, FAME);
            if !known(drawn) {
                return drawn;
            }
        }
        let next = (1..self.users).map(|step| (drawn + step) % self.users);
        next.into_iter().find(|user| !known(*user)).unwrap_or(drawn)
    }

    /// Somebody follows somebody no longer; `None` if whoever was drawn follows nobody.
    pub fn cut(&mut self, random: &mut Random) -> Option<(u32, u32)> {
        let follower = random.below(self.users);
        let followees = self.followees.get_mut(follower as usize)?;
        if followees.is_empty() {
            return None;
        }
        let place = random.below(u32::try_from(followees.len()).unwrap_or(u32::MAX));
        Some((follower, followees.swap_remove(place as usize)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_have_most_followers_and_nobody_follows_twice_or_themselves() {
        let (mut ties, mut random) = (Ties::none(1_000), Random::of(5));
        let mut followers = vec![0; 1_000];
        for _ in 0..20_000 {
            let (follower, followee) = ties.add(&mut random).unwrap();
            assert_ne!(follower, followee);
            followers[followee as usize] += 1;
        }
        let twice = (0..1_000).any(|user| {
            let mut of = ties.of(user).to_vec();
            of.sort();
            of.windows(2).any(|pair| pair[0] == pair[1])
        });
        assert!(!twice);
        let share = |users: usize| followers[..users].iter().sum::<u32>() * 100 / 20_000;
        assert!((10..=18).contains(&share(10)), "{}", share(10));
        assert!((35..=43).contains(&share(100)), "{}", share(100));
    }

    #[test]
    fn a_world_fills_up_to_everybody_following_everybody() {
        let (mut ties, mut random) = (Ties::none(5), Random::of(5));
        let made = std::iter::from_fn(|| ties.add(&mut random)).count();
        assert_eq!(made, 20);
    }

    #[test]
    fn what_is_cut_was_tied() {
        let (mut ties, mut random) = (Ties::none(3), Random::of(5));
        let made = ties.add(&mut random);
        let cut = (0..100).find_map(|_| ties.cut(&mut random));
        assert_eq!((cut, made.map(|(follower, _)| ties.of(follower).len())), (made, Some(0)));
    }
}
