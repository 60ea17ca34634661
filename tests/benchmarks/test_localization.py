"""What the benchmark of placings measures, on maps whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.localization import Coordinates, box_iou, centroid, highest_inside, hit, iou, mirror_bias, upsample

SIZE = 224
CELLS = np.arange(7) * 32.0


def blob(rows, columns, y, x, width=30.0):
    """Sample a bump at (y, x) by cells at given places."""
    return np.exp(-((rows[:, None] - y) ** 2 + (columns[None] - x) ** 2) / (2 * width**2))


def scene(rows, columns, *, mirrored):
    """Sample two bumps that are no mirror images of each other, or the same mirrored."""
    columns = SIZE - 1 - columns if mirrored else columns
    return blob(rows, columns, 90, 80) + 0.6 * blob(rows, columns, 140, 150, 22)


def placed(shift):
    """Return coordinates that are `shift` px off the true ones, and the true ones."""
    true = Coordinates(CELLS + 16, CELLS + 16)
    return true.shifted(shift), true


class TestMirrorBias:
    @pytest.mark.parametrize("shift", [-17.3, -4.0, 0.0, 0.4, 11.3, 20.0])
    def test_the_shift_of_a_fine_map_comes_back(self, shift):
        fine = np.arange(0.0, SIZE + 1, 4)
        maps = [scene(fine, fine, mirrored=mirrored) for mirrored in (False, True)]
        aligned, by_centroid = mirror_bias(*maps, Coordinates(fine, fine).shifted(shift), SIZE)
        assert aligned == pytest.approx(shift, abs=0.1)
        assert by_centroid == pytest.approx(shift, abs=0.06 * abs(shift) + 0.1)  # the tails reach over the border

    @pytest.mark.parametrize("shift", [-12.0, 0.0, 7.5])
    def test_seven_cells_tell_it_to_two_pixels(self, shift):
        wrong, true = placed(shift)
        maps = [scene(true.rows, true.columns, mirrored=mirrored) for mirrored in (False, True)]
        assert mirror_bias(*maps, wrong, SIZE)[0] == pytest.approx(shift, abs=2.0)

    def test_two_placings_differ_by_their_distance(self):
        """What is extrapolated beyond the outermost cells draws nothing inwards."""
        _, true = placed(0)
        maps = [scene(true.rows, true.columns, mirrored=mirrored) for mirrored in (False, True)]
        biases = [mirror_bias(*maps, true.shifted(shift), SIZE)[0] for shift in (-10, 0, 10)]
        assert np.diff(biases) == pytest.approx([10, 10], abs=0.1)

    def test_lengths_are_in_px_of_224(self):
        fine = np.arange(0.0, 449, 8)
        half = (fine + 0.5) / 2 - 0.5  # the same places in pixels twice as large
        maps = [scene(half, half, mirrored=mirrored) for mirrored in (False, True)]
        aligned, by_centroid = mirror_bias(*maps, Coordinates(fine, fine).shifted(10), 448)
        assert aligned == pytest.approx(5, abs=0.1)
        assert by_centroid == pytest.approx(5, abs=0.4)

    def test_a_flat_map_tells_nothing(self):
        flat = np.zeros((7, 7))
        biases = mirror_bias(flat, flat, Coordinates(CELLS, CELLS), SIZE)
        assert all(math.isnan(bias) for bias in biases)


class TestBoxes:
    def test_iou(self):
        assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
        assert iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1
        assert iou((0, 0, 10, 10), (10, 10, 20, 20)) == 0
        assert iou((0, 0, 10, 10), (2, 2, 4, 7)) == pytest.approx(10 / 100)

    def test_the_box_around_the_largest_part_above_half(self):
        field, mask = np.zeros((50, 60)), np.zeros((50, 60), dtype=bool)
        field[10:20, 30:50] = 0.6
        field[40, 5] = 1.0
        field[0:5, 0:9] = 0.4
        mask[10:20, 30:40] = True
        assert box_iou(field, mask) == pytest.approx(0.5)
        assert box_iou(-field, mask) == 0


class TestHit:
    @pytest.mark.parametrize(("row", "column", "inside"), [(2, 3, True), (2, 4, False), (1, 3, False)])
    def test_the_maximum_is_looked_up_in_the_mask(self, row, column, inside):
        values, mask = np.zeros((7, 7)), np.zeros((SIZE, SIZE), dtype=bool)
        values[row, column] = 1
        mask[70:100, 100:130] = True
        assert highest_inside(values, placed(0)[1], mask) is inside

    def test_a_cell_outside_the_picture_counts_at_its_border(self):
        values, mask = np.zeros((7, 7)), np.zeros((SIZE, SIZE), dtype=bool)
        values[0, 6] = 1
        mask[:3, -3:] = True
        assert highest_inside(values, Coordinates(CELLS - 8, CELLS + 40), mask)

    @pytest.mark.parametrize("shift", [0.0, 9.0])
    def test_centres(self, shift):
        wrong, true = placed(shift)
        mask = np.zeros((SIZE, SIZE), dtype=bool)
        mask[92:133, 92:133] = True
        found = hit(blob(true.rows, true.columns, 112, 112), wrong, mask)
        assert (found.across, found.down) == pytest.approx((shift, shift), abs=0.5)
        assert found.inside
        assert found.iou < 1

    def test_centroid(self):
        weights = np.zeros((4, 5))
        weights[1, 2], weights[3, 4] = 3, 1
        assert centroid(weights) == pytest.approx((1.5, 2.5))


def test_upsampling_is_linear_between_cells_and_constant_beyond():
    values = np.array([[0.0, 4.0], [8.0, 12.0]])
    field = upsample(values, Coordinates(np.array([1.0, 5.0]), np.array([2.0, 4.0])), 7)
    assert field[1].tolist() == [0, 0, 0, 2, 4, 4, 4]
    assert field[:, 0].tolist() == [0, 0, 2, 4, 6, 8, 8]
    assert np.array_equal(upsample(values, Coordinates(np.array([1.0, 5.0]), np.array([2.0, 4.0])), 7, 3), field[::3])
