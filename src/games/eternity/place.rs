//! Points and rectangles of the map, and the names of its locations.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One location of the map, by the number that the world file gives it, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocationId(pub u32);

impl fmt::Display for LocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position or a velocity, in units or units a second: x grows to the right and y downwards.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Point {
    /// Where nothing is added: the top left corner of a location, or the velocity of who stands.
    pub const ZERO: Point = Point { x: 0.0, y: 0.0 };

    /// The point at these coordinates.
    pub const fn new(x: f32, y: f32) -> Point {
        Point { x, y }
    }

    /// The distance to `other`, in units.
    pub fn distance(self, other: Point) -> f32 {
        self.distance_squared(other).sqrt()
    }

    /// The square of the distance: enough to compare by.
    pub fn distance_squared(self, other: Point) -> f32 {
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        dx * dx + dy * dy
    }

    /// Neither infinite nor "not a number".
    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }

    /// The same as clients are told it, see [`hundredths`].
    pub fn told(self) -> Point {
        Point { x: hundredths(self.x), y: hundredths(self.y) }
    }

    /// The vector no longer than `most`, in the same direction.
    pub fn at_most(self, most: f32) -> Point {
        let length = self.distance(Point::ZERO);
        if length <= most {
            return self;
        }
        let scale = most / length;
        Point { x: self.x * scale, y: self.y * scale }
    }
}

/// A coordinate as clients are told it: rounded to 1/100 unit, far below a pixel, so that its decimal form stays
/// short. The server goes on reckoning with the whole number. Never gives a negative zero, which reads `-0.0`.
pub fn hundredths(v: f32) -> f32 {
    (v * 100.0).round() / 100.0 + 0.0
}

/// A rectangle of one location, its edges included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rect {
    /// The top left corner.
    pub min: Point,
    /// The bottom right corner.
    pub max: Point,
}

impl Rect {
    /// Whether `p` lies in it; a point with a coordinate that is no number never does.
    pub fn contains(&self, p: Point) -> bool {
        p.x >= self.min.x && p.x <= self.max.x && p.y >= self.min.y && p.y <= self.max.y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_two_decimals() {
        let json = serde_json::to_string(&Point::new(128.123_46, -0.001).told()).unwrap();
        assert_eq!(json, r#"{"x":128.12,"y":0.0}"#);
        for k in 0..819_200u32 {
            let told = hundredths(k as f32 / 100.0 + 0.001);
            assert!(format!("{told}").split('.').nth(1).is_none_or(|decimals| decimals.len() <= 2), "{told}");
        }
    }

    #[test]
    fn a_vector_is_shortened_in_its_own_direction() {
        let v = Point::new(30.0, -40.0).at_most(8.0);
        assert!((v.distance(Point::ZERO) - 8.0).abs() < 1e-5);
        assert!((v.x / v.y - -0.75).abs() < 1e-5);
        assert_eq!(Point::new(8.0, 0.0).at_most(8.0), Point::new(8.0, 0.0));
        // A length beyond f32 is infinite; the vector then shrinks to nothing and is never "not a number".
        assert_eq!(Point::new(f32::MAX, 0.0).at_most(8.0), Point::ZERO);
    }

    #[test]
    fn edges_belong_to_a_rectangle_and_nan_to_none() {
        let r = Rect { min: Point::ZERO, max: Point::new(10.0, 20.0) };
        assert!(r.contains(Point::ZERO) && r.contains(Point::new(10.0, 20.0)));
        assert!(!r.contains(Point::new(10.01, 0.0)) && !r.contains(Point::new(-0.01, 0.0)));
        assert!(!r.contains(Point::new(f32::NAN, 1.0)) && !r.contains(Point::new(1.0, f32::INFINITY)));
    }
}
