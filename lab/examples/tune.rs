//! dev
use lab::{
    closed_loop, contender,
    metric::Metric,
    open_loop,
    world::{Size, World},
};
use topologies::feed::FeedSettings;
fn main() {
    let size = Size::FULL;
    let t = std::time::Instant::now();
    let world = World::plant(1, size);
    eprintln!(
        "people {} posts {} happenings {} spam {} in {:?}",
        world.people.len(),
        world.posts.len(),
        world.happenings.len(),
        world.posts.iter().filter(|p| p.is_spam).count(),
        t.elapsed()
    );
    let all = contender::all();
    let opened = open_loop::run(&world, (&all, 8), &FeedSettings::default()).unwrap();
    eprintln!("open in {:?} looks {}", t.elapsed(), opened.looks);
    print!("{:<28}", "");
    for m in Metric::ALL {
        print!("{:>12}", m.name());
    }
    println!();
    for (c, f) in all.iter().zip(&opened.figures) {
        print!("{:<28}", c.name);
        for v in f {
            print!("{:>12.3}", v.unwrap_or(f64::NAN));
        }
        println!();
    }
    println!("{:?} {:?}", opened.trends, opened.suggested);
    for c in all.iter().filter(|c| c.closes_loop) {
        let closed = closed_loop::run(&world, c, &FeedSettings::default()).unwrap();
        print!("{:<28}", c.name);
        for v in &closed.figures {
            print!("{:>12.3}", v.unwrap_or(f64::NAN));
        }
        println!();
        println!("   {:?} {:?} {:?}", closed.by_day, closed.trends, closed.suggested);
        eprintln!("{:?}", t.elapsed());
    }
}
