package main

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// drawReliability draws how often statements were true against the probability that they were made with; on the diagonal they
// mean what they say.
func drawReliability(all []bin, path string) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "said", "true"
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	points := make(plotter.XYs, len(all))
	for i, b := range all {
		points[i] = plotter.XY{X: b.said, Y: b.true}
	}
	diagonal, err := plotter.NewLine(plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}})
	if err != nil {
		return err
	}
	diagonal.Dashes = []vg.Length{vg.Points(3), vg.Points(3)}
	groups, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	groups.Radius = vg.Points(3)
	p.Add(plotter.NewGrid(), diagonal, groups)
	return p.Save(10*vg.Centimeter, 10*vg.Centimeter, path)
}
