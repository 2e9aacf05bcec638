//! dev
use lab::{
    contender,
    referee::{Asked, judge},
    world::Size,
};
fn main() {
    let t = std::time::Instant::now();
    let asked = Asked {
        seeds: (1..=std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1)).collect(),
        size: if std::env::args().nth(2).is_some() { Size::TINY } else { Size::FULL },
        look_every: 8,
        threads: 2,
        contenders: contender::all(),
    };
    let report = judge(&asked, &|what| eprintln!("{:?} {what}", t.elapsed())).unwrap();
    print!("{}", report.table());
    std::fs::write("/tmp/lab-report.html", report.page()).unwrap();
}
